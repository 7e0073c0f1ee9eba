#include "storage/epoch_recovery.h"

#include <algorithm>
#include <optional>

#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {
namespace {

using Segments = std::span<const std::unique_ptr<Segment>>;

// The batch that holds `offset`, or the next one.
Result<std::optional<BatchPlace>> find(Segments segments, Offset offset) {
    auto above = std::ranges::upper_bound(segments, offset, {},
                                          [](const auto& segment) { return segment->base(); });
    for (auto at = above == segments.begin() ? above : std::prev(above); at != segments.end();
         ++at) {
        PageAccess access;
        ASSIGN_OR_RETURN(std::optional<BatchPlace> place, (*at)->find(offset, access));
        if (place) return place;
    }
    return std::nullopt;
}

// Whether batches of the entry's epoch begin where it says, behind those of the entry before it.
// Compaction may have taken all of an epoch.
Result<bool> holds(Segments segments, const LeaderEpochs& epochs, std::size_t index,
                   Offset log_start) {
    const EpochStart& entry = epochs.entries()[index];
    ASSIGN_OR_RETURN(auto first, find(segments, std::max(entry.start_offset, log_start)));
    if (first && first->leader_epoch >= 0) {
        bool last = index + 1 == epochs.entries().size();
        bool in_range = last || first->base_offset < epochs.entries()[index + 1].start_offset;
        if (in_range ? first->leader_epoch != entry.epoch : first->leader_epoch < entry.epoch) {
            return false;
        }
    }
    if (entry.start_offset <= log_start || index == 0) return true;
    ASSIGN_OR_RETURN(auto before, find(segments, entry.start_offset - 1));
    bool is_before = before && before->base_offset < entry.start_offset;
    return !is_before || before->leader_epoch <= epochs.entries()[index - 1].epoch;
}

Result<bool> hold(Segments segments, const LeaderEpochs& epochs, Offset log_start) {
    ASSIGN_OR_RETURN(auto first, find(segments, log_start));
    bool known = !first || first->leader_epoch < 0 ||
                 epochs.epoch_at(std::max(first->base_offset, log_start));
    if (!known) return false;
    for (std::size_t i = 0; i < epochs.entries().size(); ++i) {
        ASSIGN_OR_RETURN(bool fits, holds(segments, epochs, i, log_start));
        if (!fits) return false;
    }
    return true;
}

}  // namespace

Result<bool> settle_epochs(LeaderEpochs& epochs, Segments segments, Offset log_start) {
    ASSIGN_OR_RETURN(bool sound, hold(segments, epochs, log_start));
    for (const auto& segment : segments) segment->release();
    if (sound) return false;
    LOG_WARN("Reading the leader epochs from {} and what lies behind it",
             segments.front()->path(".log"));
    epochs.clear();
    for (const auto& segment : segments) {
        RETURN_IF_ERROR(segment->visit([&](const BatchPlace& place) {
            if (place.leader_epoch >= 0) epochs.assign(place.leader_epoch, place.base_offset);
        }));
        segment->release();
    }
    epochs.truncate_from_start(log_start);
    return true;
}

}  // namespace millrace::storage
