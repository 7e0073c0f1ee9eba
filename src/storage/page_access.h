#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace::env {
class File;
}

namespace millrace::storage {

// How one look-up treats pages that are not in memory: waits for the device, or stops and says what
// it missed, so that a helper thread reads it in before the look-up starts again.
class PageAccess {
  public:
    enum class Mode { blocking, memory_only };
    struct Missing {
        std::shared_ptr<env::File> file;
        std::uint64_t offset = 0;
        std::size_t size = 0;
    };

    explicit PageAccess(Mode mode = Mode::blocking) : mode_(mode) {}

    // As File::read(). After a miss it fails, and missing() has a value.
    Result<std::size_t> read(const std::shared_ptr<env::File>& file, std::uint64_t offset,
                             MutableBytes into);
    bool blocks() const { return mode_ == Mode::blocking; }
    const std::optional<Missing>& missing() const { return missing_; }

  private:
    Mode mode_;
    std::optional<Missing> missing_;
};

}  // namespace millrace::storage
