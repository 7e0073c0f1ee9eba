#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "env/posix/descriptor.h"

namespace millrace::env::posix {

// Standard input, read by a helper thread, which stop() frees from its wait.
class StandardInput {
  public:
    StandardInput();

    // Blocks for the first bytes; 0 at the end, or when stopped.
    Result<std::size_t> read(MutableBytes into);
    // From any thread, for good.
    void stop();
    bool is_terminal() const;

  private:
    Descriptor stopped_;  // an eventfd
};

enum class StandardStream { output, error };
// Blocks until all is written; false when nobody reads the stream any more.
bool write_standard(StandardStream stream, std::string_view text);

// The file that this process runs.
Result<std::string> own_executable();
// A symbolic link at `path`, in the place of one that is there.
Result<> make_link(const std::string& target, const std::string& path);

}  // namespace millrace::env::posix
