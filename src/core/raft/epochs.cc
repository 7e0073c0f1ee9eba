#include "core/raft/epochs.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::raft {

void EpochHistory::assign(std::int32_t epoch, std::int64_t start) {
    if (!entries_.empty()) {
        CHECK(entries_.back().epoch <= epoch);
        if (entries_.back().epoch == epoch) return;
        // An epoch whose leader wrote nothing leaves no trace.
        while (!entries_.empty() && entries_.back().start >= start) entries_.pop_back();
    }
    entries_.push_back({epoch, start});
}

void EpochHistory::truncate(std::int64_t end_offset) {
    while (!entries_.empty() && entries_.back().start >= end_offset) entries_.pop_back();
}

void EpochHistory::drop_before(std::int64_t start_offset) {
    std::size_t ended = 0;
    while (ended + 1 < entries_.size() && entries_[ended + 1].start <= start_offset) ++ended;
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(ended));
    if (!entries_.empty() && entries_.front().start < start_offset)
        entries_.front().start = start_offset;
}

std::optional<OffsetAndEpoch> EpochHistory::end_of(std::int32_t epoch, std::int64_t log_end) const {
    std::int64_t end = log_end;
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
        if (entry->epoch <= epoch) return OffsetAndEpoch{end, entry->epoch};
        end = entry->start;
    }
    return std::nullopt;
}

std::int32_t LogFacts::last_epoch() const {
    if (!epochs.entries().empty()) return epochs.last();
    return latest_snapshot && latest_snapshot->offset == end ? latest_snapshot->epoch : 0;
}

OffsetAndEpoch LogFacts::end_of(std::int32_t epoch) const {
    if (auto found = epochs.end_of(epoch, end)) return *found;
    if (earliest_snapshot && earliest_snapshot->epoch <= epoch) return *earliest_snapshot;
    // The whole log is above that epoch: what is common can only be before it.
    return {start, earliest_snapshot ? earliest_snapshot->epoch : 0};
}

LogFacts::Verdict LogFacts::validate(OffsetAndEpoch at) const {
    using Kind = Verdict::Kind;
    if (at == OffsetAndEpoch{} && start == 0) {
        // An empty replica is served faster by a snapshot than by the log below it.
        if (latest_snapshot && latest_snapshot->offset > 0)
            return {Kind::snapshot, *latest_snapshot};
        return {Kind::valid, at};
    }
    if (earliest_snapshot && latest_snapshot) {
        bool before = at.offset < start || at.epoch < earliest_snapshot->epoch;
        bool other_history = at.offset == start && start == earliest_snapshot->offset &&
                             at.epoch != earliest_snapshot->epoch;
        if (before || other_history) return {Kind::snapshot, *latest_snapshot};
    }
    OffsetAndEpoch common = end_of(at.epoch);
    if (common.epoch != at.epoch || common.offset < at.offset) return {Kind::diverging, common};
    return {Kind::valid, at};
}

std::int64_t LogFacts::truncation_point(OffsetAndEpoch diverging) const {
    OffsetAndEpoch ours = end_of(diverging.epoch);
    std::int64_t point =
        ours.epoch == diverging.epoch ? std::min(ours.offset, diverging.offset) : ours.offset;
    return std::clamp(point, start, end);
}

void LogFacts::truncate(std::int64_t end_offset) {
    CHECK(end_offset >= start && end_offset <= end);
    end = end_offset;
    epochs.truncate(end_offset);
}

}  // namespace millrace::raft
