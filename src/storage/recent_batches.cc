#include "storage/recent_batches.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "storage/producer_state.h"
#include "storage/segment.h"

namespace millrace::storage {
namespace {

constexpr std::size_t entries_back = 64;
constexpr std::uint32_t bytes_back = 16U << 20U;

// Where to begin, at most so many index entries and bytes before the end of a segment; nothing when
// not even the last entry is that near.
Result<std::optional<OffsetIndex::Entry>> first_entry(Segment& segment, std::size_t entries,
                                                      PageAccess& access) {
    OffsetIndex& index = segment.offsets();
    bool whole = index.count() < entries && segment.written() <= bytes_back;
    if (whole) return OffsetIndex::Entry{segment.base(), 0};
    for (std::size_t back = std::min(entries, index.count()); back > 0; back /= 2) {
        ASSIGN_OR_RETURN(auto entry, index.entry(index.count() - back, access));
        bool near =
            entry.position < segment.written() && segment.written() - entry.position <= bytes_back;
        if (near) return entry;
    }
    return std::nullopt;
}

using Header = std::array<std::uint8_t, batch_header_size>;

// What producers have written behind an index entry, as far as the headers are sound.
Result<std::vector<Header>> produced_since(Segment& segment, const OffsetIndex::Entry& entry,
                                           PageAccess& access) {
    std::vector<Header> found;
    bool believed = entry.position == 0;
    ASSIGN_OR_RETURN(auto file, segment.file());
    HeaderScan scan(std::move(file), entry.position, segment.written(), access);
    while (true) {
        auto place = scan.next();
        if (!place && place.error().code == ErrorCode::kafka_storage_error) {
            return fail(std::move(place).error());
        }
        if (!place || !*place) return found;
        believed = believed || (*place)->last_offset == entry.offset;
        if (!believed) return found;
        if (!BatchView::trusted(scan.header()).has_producer_id()) continue;
        std::ranges::copy_n(scan.header().begin(), batch_header_size, found.emplace_back().begin());
    }
}

}  // namespace

Result<> recall_recent_batches(std::span<const std::unique_ptr<Segment>> segments,
                               ProducerState& producers) {
    std::size_t entries = entries_back;
    PageAccess access;
    for (std::size_t i = segments.size(); i-- > 0 && entries > 0 && producers.lacks_batches();) {
        Segment& segment = *segments[i];
        if (segment.written() == 0) continue;
        ASSIGN_OR_RETURN(auto first, first_entry(segment, entries, access));
        if (first) {
            ASSIGN_OR_RETURN(auto found, produced_since(segment, *first, access));
            for (auto at = found.rbegin(); at != found.rend(); ++at) {
                producers.recall(BatchView::trusted(*at));
            }
        }
        segment.release();
        if (!first) return {};
        entries -= std::min(entries, segment.offsets().count() + 1);
    }
    return {};
}

}  // namespace millrace::storage
