#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"

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

// Looks up in memory by `look_up(PageAccess&) -> Result<T>`, as often as it takes: what it misses
// is read in by a helper thread. What belongs to the log may have changed between two tries.
template <typename LookUp>
auto look_up_cold(LookUp look_up) -> Task<std::invoke_result_t<LookUp&, PageAccess&>> {
    // What one miss reads in at a time, and after how many the device is simply waited for.
    constexpr std::size_t warm_size = std::size_t{64} << 10U;
    constexpr int most_misses = 64;
    Buffer scratch;
    for (int misses = 0; misses < most_misses; ++misses) {
        PageAccess access(PageAccess::Mode::memory_only);
        auto result = look_up(access);
        if (!access.missing()) co_return result;
        const PageAccess::Missing& missing = *access.missing();
        scratch.resize(std::max(warm_size, missing.size));
        auto warmed = co_await missing.file->read_cold(missing.offset, scratch.mutable_bytes());
        if (!warmed) co_return fail(std::move(warmed).error());
    }
    PageAccess access;
    co_return look_up(access);
}

}  // namespace millrace::storage
