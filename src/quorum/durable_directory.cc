#include "quorum/durable_directory.h"

#include <vector>

#include "env/disk.h"

namespace millrace::quorum {

// Each level is durable before the one below it is made: where a level is there, only its own name
// may be missing after a power cut, as that of a process which was killed.
Result<> make_durable_directory(env::Disk& disk, const std::string& path) {
    std::vector<std::string> missing{path};
    for (std::string at(env::parent_of(path)); !disk.exists(at) && at != "/" && at != ".";) {
        missing.push_back(at);
        at = env::parent_of(at);
    }
    for (auto level = missing.rbegin(); level != missing.rend(); ++level) {
        RETURN_IF_ERROR(disk.make_directories(*level));
        RETURN_IF_ERROR(disk.sync_directory(env::parent_of(*level)));
    }
    return {};
}

}  // namespace millrace::quorum
