#include "quorum/durable_directory.h"

#include <vector>

#include "env/disk.h"

namespace millrace::quorum {

Result<> make_durable_directory(env::Disk& disk, const std::string& path) {
    std::vector<std::string> parents;  // whose entries are new
    for (std::string at = path; !disk.exists(at) && at != "/" && at != ".";) {
        at = env::parent_of(at);
        parents.push_back(at);
    }
    RETURN_IF_ERROR(disk.make_directories(path));
    for (const std::string& parent : parents) RETURN_IF_ERROR(disk.sync_directory(parent));
    return {};
}

}  // namespace millrace::quorum
