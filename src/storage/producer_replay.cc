#include "storage/producer_replay.h"

#include "storage/batch_scan.h"
#include "storage/producer_state.h"
#include "storage/segment.h"

namespace millrace::storage {

Result<> replay_producers(Segment& segment, Offset end, ProducerState& producers) {
    PageAccess access;
    ASSIGN_OR_RETURN(auto first, segment.find(producers.map_end_offset(), access));
    if (!first) return {};
    ASSIGN_OR_RETURN(auto file, segment.file());
    HeaderScan scan(std::move(file), first->position, segment.written(), access);
    while (true) {
        ASSIGN_OR_RETURN(auto place, scan.next());
        if (!place || place->base_offset >= end) return {};
        producers.set_map_end_offset(place->last_offset + 1);
        if (!BatchView::trusted(scan.header()).has_producer_id()) continue;
        Slice whole;
        ASSIGN_OR_RETURN(auto batch, scan.batch(whole));
        if (!batch) return {};
        // No transaction ends by it: what it was to end stays undecided.
        if (!HeaderScan::is_sound(whole)) continue;
        auto ended = producers.apply(*batch);
        if (ended && *ended) producers.complete(**ended);
    }
}

}  // namespace millrace::storage
