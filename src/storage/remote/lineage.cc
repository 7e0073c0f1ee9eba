#include "storage/remote/lineage.h"

#include <algorithm>
#include <iterator>

namespace millrace::storage::remote {
namespace {

using Epochs = std::vector<EpochStart>;

Epochs::const_iterator at(const Epochs& epochs, std::int32_t epoch) {
    auto found = std::ranges::lower_bound(epochs, epoch, {}, &EpochStart::epoch);
    return found != epochs.end() && found->epoch == epoch ? found : epochs.end();
}

}  // namespace

std::vector<EpochStart> with_records(const std::vector<EpochStart>& epochs) {
    Epochs kept;
    for (std::size_t i = 0; i < epochs.size(); ++i) {
        bool is_last = i + 1 == epochs.size();
        if (is_last || epochs[i].start_offset != epochs[i + 1].start_offset) {
            kept.push_back(epochs[i]);
        }
    }
    return kept;
}

bool within_lineage(const RemoteLogSegmentMetadata& metadata, Offset log_end,
                    const std::vector<EpochStart>& log_epochs) {
    if (log_epochs.empty() || metadata.segment.end_offset >= log_end) return false;
    Epochs own = with_records(metadata.leader_epochs);
    std::int32_t last = own.back().epoch;
    if (last < log_epochs.front().epoch || last > log_epochs.back().epoch) return false;
    auto first = std::ranges::lower_bound(own, log_epochs.front().epoch, {}, &EpochStart::epoch);
    for (auto each = first; each != own.end(); ++each) {
        auto in_log = at(log_epochs, each->epoch);
        if (in_log == log_epochs.end()) return false;
        // The log's first epoch may have begun earlier than it still knows.
        bool may_begin_earlier = each != first || in_log == log_epochs.begin();
        if (!may_begin_earlier && each->start_offset < in_log->start_offset) return false;
        auto next_in_log = std::next(in_log);
        auto next = std::next(each);
        if (next == own.end()) {
            bool ends_later = next_in_log != log_epochs.end() &&
                              metadata.segment.end_offset >= next_in_log->start_offset;
            if (ends_later) return false;
        } else if (next_in_log == log_epochs.end() || *next_in_log != *next) {
            return false;
        }
    }
    return true;
}

Offset highest_copied_offset(const RemoteLogSegments& segments, const LeaderEpochs& epochs,
                             Offset log_end) {
    for (auto entry = epochs.latest(); entry; entry = epochs.previous(entry->epoch)) {
        std::optional<Offset> highest = segments.highest_offset(entry->epoch);
        if (!highest) continue;
        // A log that was cut since then no longer has all that was copied of the epoch.
        auto end = epochs.end_of(entry->epoch, log_end);
        return end ? std::min(*highest, end->end_offset - 1) : *highest;
    }
    return no_offset;
}

Offset readable_until(const RemoteLogSegments& segments, const LeaderEpochs& epochs, Offset from,
                      Offset log_end) {
    Epochs lineage = with_records(epochs.entries());
    for (;;) {
        const RemoteLogSegmentMetadata* metadata = segment_of(segments, epochs, from);
        if (metadata == nullptr || !within_lineage(*metadata, log_end, lineage)) return from;
        from = metadata->segment.end_offset + 1;
    }
}

std::optional<Offset> remote_log_start(const RemoteLogSegments& segments,
                                       const LeaderEpochs& epochs) {
    for (const EpochStart& entry : epochs.entries()) {
        for (const RemoteLogSegmentMetadata* each : segments.list(entry.epoch)) {
            if (each->state == RemoteLogSegmentState::copy_segment_finished) {
                return each->segment.start_offset;
            }
        }
    }
    return std::nullopt;
}

const RemoteLogSegmentMetadata* segment_of(const RemoteLogSegments& segments,
                                           const LeaderEpochs& epochs, Offset offset) {
    std::optional<std::int32_t> epoch = epochs.epoch_at(offset);
    return epoch ? segments.find(*epoch, offset) : nullptr;
}

const RemoteLogSegmentMetadata* segment_with_transactions(const RemoteLogSegments& segments,
                                                          const LeaderEpochs& epochs,
                                                          Offset offset) {
    std::optional<std::int32_t> first = epochs.epoch_at(offset);
    if (!first) return nullptr;
    for (const EpochStart& entry : epochs.entries()) {
        if (entry.epoch < *first) continue;
        const auto* found =
            segments.find_with_transactions(entry.epoch, std::max(entry.start_offset, offset));
        if (found != nullptr) return found;
    }
    return nullptr;
}

LeaderEpochs epochs_between(const LeaderEpochs& epochs, Offset start, Offset end) {
    LeaderEpochs between = epochs;
    between.truncate_from_start(start);
    between.truncate_from_end(end);
    return between;
}

}  // namespace millrace::storage::remote
