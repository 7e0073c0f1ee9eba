#include "storage/remote/lineage.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace millrace::storage::remote {
namespace {

using Epochs = std::vector<EpochStart>;

Epochs::const_iterator at(const Epochs& epochs, std::int32_t epoch) {
    auto found = std::ranges::lower_bound(epochs, epoch, {}, &EpochStart::epoch);
    return found != epochs.end() && found->epoch == epoch ? found : epochs.end();
}

// The epoch of the record at `offset`, within the segment.
std::int32_t epoch_at(const RemoteLogSegmentMetadata& metadata, Offset offset) {
    const Epochs& epochs = metadata.leader_epochs;
    auto above = std::ranges::upper_bound(epochs, offset, {}, &EpochStart::start_offset);
    return above == epochs.begin() ? epochs.front().epoch : std::prev(above)->epoch;
}

// Copied segments from the end of a log to its beginning, each before the one that was found last.
class WayBack {
  public:
    explicit WayBack(const RemoteLogSegments& segments) {
        for (const auto& [id, metadata] : segments.all()) {
            bool copied = metadata.state == RemoteLogSegmentState::copy_segment_finished;
            if (copied) by_end_.push_back(&metadata);
        }
        std::ranges::sort(by_end_, std::greater(),
                          [](const auto* each) { return each->segment.end_offset; });
    }
    // The one that holds the record before `offset`, of an epoch that may come before `later`, what
    // is known from there on, descending. Offsets descend from call to call.
    const RemoteLogSegmentMetadata* before(Offset offset, const Epochs& later) {
        for (; next_ < by_end_.size() && by_end_[next_]->segment.end_offset >= offset - 1;
             ++next_) {
            open_.push_back(by_end_[next_]);
        }
        std::erase_if(open_,
                      [&](const auto* each) { return each->segment.start_offset >= offset; });
        const RemoteLogSegmentMetadata* best = nullptr;
        for (const auto* each : open_) {
            if (!fits(*each, offset, later)) continue;
            bool better =
                best == nullptr || epoch_at(*each, offset - 1) > epoch_at(*best, offset - 1);
            if (better) best = each;
        }
        return best;
    }

  private:
    // What it holds from `offset` on has to be what is known of that.
    static bool fits(const RemoteLogSegmentMetadata& metadata, Offset offset, const Epochs& later) {
        if (later.empty()) return true;
        if (epoch_at(metadata, offset - 1) > later.back().epoch) return false;
        Offset end = metadata.segment.end_offset;
        if (end < offset) return true;
        auto known = std::ranges::find_if(
            later, [&](const EpochStart& each) { return each.start_offset <= end; });
        return known != later.end() && known->epoch == epoch_at(metadata, end);
    }

    std::vector<const RemoteLogSegmentMetadata*> by_end_;
    std::size_t next_ = 0;
    std::vector<const RemoteLogSegmentMetadata*> open_;  // end behind, begin before the offset
};

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

LeaderEpochs epochs_told(const RemoteLogSegments& segments, const LeaderEpochs& epochs,
                         Offset local_start) {
    LeaderEpochs known = epochs;
    known.truncate_from_start(local_start);
    Epochs entries(known.entries().rbegin(), known.entries().rend());  // descending
    WayBack way(segments);
    for (Offset at = local_start; at > 0;) {
        const RemoteLogSegmentMetadata* metadata = way.before(at, entries);
        if (metadata == nullptr) break;
        for (auto each = metadata->leader_epochs.rbegin(); each != metadata->leader_epochs.rend();
             ++each) {
            if (each->start_offset >= at) continue;
            if (!entries.empty() && entries.back().epoch == each->epoch) entries.pop_back();
            entries.push_back(*each);
        }
        at = metadata->segment.start_offset;
    }
    LeaderEpochs told;
    for (auto each = entries.rbegin(); each != entries.rend(); ++each) {
        told.assign(each->epoch, each->start_offset);
    }
    return told;
}

LeaderEpochs epochs_between(const LeaderEpochs& epochs, Offset start, Offset end) {
    LeaderEpochs between = epochs;
    between.truncate_from_start(start);
    between.truncate_from_end(end);
    return between;
}

}  // namespace millrace::storage::remote
