#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "storage/producer_state.h"

// Any bytes, and the same with a CRC that fits, are a snapshot of producers or an Error; what was
// loaded is written so that it is loaded again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    using namespace millrace::storage;
    constexpr std::size_t crc_at = 2;
    constexpr std::size_t checked_at = 6;
    constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();
    constexpr Timestamp now = 1'000;

    ProducerState state;
    (void)state.load_snapshot({data, size}, "fuzz", now, forever);
    if (size < checked_at) return 0;
    std::vector<std::uint8_t> bytes(data, data + size);
    store_be(bytes.data() + crc_at, crc32c(Bytes(bytes).subspan(checked_at)));
    if (!state.load_snapshot(bytes, "fuzz", now, forever)) return 0;

    std::string written = state.encode_snapshot();
    ProducerState again;
    CHECK(again.load_snapshot(as_bytes(written), "fuzz", now, forever));
    CHECK(again.encode_snapshot() == written);
    CHECK(again.first_unstable_offset() == state.first_unstable_offset());
    state.expire(now, 1);
    return 0;
}
