#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/leader_epochs.h"

// Any text is a history that ascends in epochs and offsets, or an Error; it is written so that it
// is read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace::storage;
    auto epochs = LeaderEpochs::parse(millrace::as_string({data, size}), "fuzz");
    if (!epochs) return 0;
    const auto& entries = epochs->entries();
    for (std::size_t i = 1; i < entries.size(); ++i) {
        CHECK(entries[i - 1].epoch < entries[i].epoch);
        CHECK(entries[i - 1].start_offset <= entries[i].start_offset);
    }
    auto again = LeaderEpochs::parse(epochs->to_text(), "fuzz");
    CHECK(again && again->entries() == entries);
    for (const EpochStart& entry : entries) {
        CHECK(epochs->end_of(entry.epoch, entry.start_offset).has_value());
    }
    return 0;
}
