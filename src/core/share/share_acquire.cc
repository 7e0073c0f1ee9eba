// How a share partition gives out records; see share_partition.cc.

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/share/share_partition.h"

namespace millrace::share {
namespace {

constexpr std::int32_t least_throttled_delivery_count = 2;

// From so many deliveries on, records are given out fewer at a time, so that one that makes its
// members fail takes ever fewer others with it; the last time it goes alone.
std::int32_t throttle_from(const ShareLimits& limits) {
    return std::max(least_throttled_delivery_count, (limits.delivery_count_limit + 1) / 2);
}

bool is_last_attempt(const SharePartition::Run& run, const ShareLimits& limits) {
    return limits.delivery_count_limit > 2 && run.delivery_count == limits.delivery_count_limit - 1;
}

void add(Offset first, Offset last, std::int16_t count, std::vector<AcquiredRecords>& acquired) {
    bool goes_on = !acquired.empty() && acquired.back().last + 1 == first &&
                   acquired.back().delivery_count == count;
    if (goes_on) {
        acquired.back().last = last;
    } else {
        acquired.push_back({first, last, count});
    }
}

// The end of the record batch that has the offset; the offset itself where none has.
Offset end_of_batch_at(const std::vector<OffsetRange>& batches, Offset offset) {
    auto next = std::ranges::upper_bound(batches, offset, {}, &OffsetRange::first);
    if (next == batches.begin()) return offset;
    return std::max(offset, std::prev(next)->last);
}

}  // namespace

std::size_t SharePartition::batches() const {
    std::size_t count = 0;
    Offset last_first = -1;
    for (const auto& [first, run] : runs_) {
        if (run.batch.first == last_first) continue;
        last_first = run.batch.first;
        ++count;
    }
    return count;
}

std::optional<Offset> SharePartition::fetch_offset(const ShareLimits& limits) {
    if (may_be_free_) {
        auto free =
            std::ranges::find_if(runs_, [](const auto& run) { return run.second.is_free(); });
        if (free != runs_.end()) return free->first;
        may_be_free_ = false;
    }
    if (in_flight() < limits.max_record_locks) return end_;
    return std::nullopt;
}

// One acquire() on its way.
struct SharePartition::Acquisition {
    const Acquire& asked;
    const ShareLimits& limits;
    Time lock_until;
    std::int64_t most = 0;
    Offset first = 0;  // to be acquired at all
    Offset last = -1;
    std::int64_t count = 0;
    std::vector<AcquiredRecords> acquired;
    bool full = false;

    bool limits_records() const { return asked.mode == AcquireMode::record_limit; }
    std::int64_t room() const { return full ? 0 : most - count; }
};

std::vector<AcquiredRecords> SharePartition::acquire(const Acquire& asked,
                                                     const ShareLimits& limits, Time now) {
    if (asked.max_records <= 0 || asked.batches.empty() || asked.batches.back().last < start_) {
        return {};
    }
    Acquisition acquisition{
        .asked = asked,
        .limits = limits,
        .lock_until = now + limits.lock_duration,
        .most = std::min(asked.max_records, limits.max_record_locks - in_flight()),
        .last = asked.batches.back().last};
    if (acquisition.most <= 0) {
        // What is in flight already may be given out again.
        if (asked.fetch_offset >= end_) return {};
        acquisition.most = std::min(asked.max_records, end_ - asked.fetch_offset);
        acquisition.last = std::min(acquisition.last, end_ - 1);
    }
    archive_missing(asked.fetch_offset, asked.batches.front().first);
    acquisition.first = std::max(asked.batches.front().first, start_);
    acquire_known(acquisition);
    if (acquisition.room() > 0 && acquisition.last >= end_) acquire_new(acquisition);
    if (!asked.aborted.empty()) archive_aborted(asked.aborted, acquisition.acquired);
    return std::move(acquisition.acquired);
}

// What was to be read there is not in the log.
void SharePartition::archive_missing(Offset from, Offset to) {
    bool any = false;
    for_each_in({from, to - 1}, [&](Runs::iterator run) {
        if (!run->second.is_free()) return;
        give_back(run, RecordState::archived);
        any = true;
    });
    if (any) advance_start();
}

void SharePartition::acquire_known(Acquisition& acquisition) {
    auto run = runs_.upper_bound(acquisition.first);
    if (run == runs_.begin()) return;
    --run;
    if (run->second.last < acquisition.first) return;
    while (run != runs_.end() && run->first <= acquisition.last && acquisition.room() > 0) {
        run = acquire_batch(run, acquisition);
    }
}

// Of what was acquired together once, as much as may be; gives the run behind it.
SharePartition::Runs::iterator SharePartition::acquire_batch(Runs::iterator first,
                                                             Acquisition& acquisition) {
    OffsetRange batch = first->second.batch;
    bool throttled = false;
    auto end = first;
    for (; end != runs_.end() && end->second.batch.first == batch.first; ++end) {
        const Run& run = end->second;
        bool wanted =
            run.is_free() && end->first <= acquisition.last && run.last >= acquisition.first;
        throttled =
            throttled || (wanted && run.delivery_count >= throttle_from(acquisition.limits));
    }
    if (throttled && acquisition.count > 0) {
        acquisition.full = true;
        return end;
    }
    bool is_whole = first->first == batch.first && first->second.last == batch.last;
    bool is_wanted = batch.first >= acquisition.first && batch.last <= acquisition.last;
    bool exceeds = acquisition.limits_records() && batch.size() > acquisition.room();
    if (is_whole && is_wanted && !exceeds && !throttled) {
        if (!first->second.is_free()) return end;
        take(first, acquisition);
        acquisition.acquired.push_back({batch.first, batch.last, first->second.delivery_count});
        acquisition.count += batch.size();
        return end;
    }
    std::int64_t taken = acquire_each(batch, acquisition);
    acquisition.count += taken;
    if (throttled && taken > 0) acquisition.full = true;
    return runs_.upper_bound(batch.last);
}

std::int64_t SharePartition::acquire_each(const OffsetRange& batch, Acquisition& acquisition) {
    const ShareLimits& limits = acquisition.limits;
    std::vector<AcquiredRecords> taken;
    std::int64_t count = 0;
    std::int64_t most = acquisition.limits_records() ? acquisition.room() : batch.size();
    std::optional<std::int64_t> throttled_to;
    Offset last = std::min(batch.last, acquisition.last);
    Offset next = std::max({batch.first, acquisition.first, start_});
    while (next <= last && count < most) {
        auto run = std::prev(runs_.upper_bound(next));
        Offset first = std::exchange(next, run->second.last + 1);
        if (!run->second.is_free()) continue;
        bool alone = is_last_attempt(run->second, limits);
        if (alone && count > 0) break;
        std::int32_t excess = run->second.delivery_count - throttle_from(limits);
        if (excess >= 0 && !throttled_to) {
            throttled_to = std::max<std::int64_t>(1, batch.size() >> std::min(excess + 1, 62));
            most = std::min(most, *throttled_to);
            if (count >= most) break;
        }
        std::int64_t size =
            std::min({last, run->second.last, first + most - count - 1}) - first + 1;
        if (alone) size = 1;
        run = carve({first, first + size - 1});
        take(run, acquisition);
        add(first, run->second.last, run->second.delivery_count, taken);
        count += size;
        next = first + size;
        if (alone) break;
    }
    std::ranges::move(taken, std::back_inserter(acquisition.acquired));
    return count;
}

void SharePartition::take(Runs::iterator run, const Acquisition& acquisition) {
    set_state(run, RecordState::acquired);
    ++run->second.delivery_count;
    run->second.member_id = acquisition.asked.member_id;
    lock(run->second, acquisition.lock_until);
}

void SharePartition::acquire_new(Acquisition& acquisition) {
    const Acquire& asked = acquisition.asked;
    Offset first = std::max(end_, asked.batches.front().first);
    if (first > end_) {
        // The log has nothing there.
        append_run({.last = first - 1, .batch = {end_, first - 1}, .state = RecordState::archived});
        advance_start();
    }
    std::int64_t room = acquisition.room();
    Offset last = acquisition.last;
    if (room < last - first + 1) last = end_of_batch_at(asked.batches, first + room - 1);
    auto append = [&](OffsetRange range, OffsetRange batch) {
        append_run({.last = range.last,
                    .batch = batch,
                    .state = RecordState::acquired,
                    .delivery_count = 1,
                    .member_id = asked.member_id});
        lock(std::prev(runs_.end())->second, acquisition.lock_until);
        acquisition.acquired.push_back({range.first, range.last, 1});
        acquisition.count += range.size();
    };
    if (acquisition.limits_records()) {
        OffsetRange batch{first, last};
        append({first, std::min(last, first + room - 1)}, batch);
        if (end_ <= last) append_run({.last = last, .batch = batch});
        return;
    }
    if (last - first + 1 > asked.batch_size) {
        for (const OffsetRange& batch : asked.batches) {
            if (batch.first > last) break;
            if (batch.first - first < std::max<std::int64_t>(asked.batch_size, 1)) continue;
            append({first, batch.first - 1}, {first, batch.first - 1});
            first = batch.first;
        }
    }
    append({first, last}, {first, last});
}

// They are never given to anybody.
void SharePartition::archive_aborted(const std::vector<OffsetRange>& aborted,
                                     std::vector<AcquiredRecords>& acquired) {
    std::vector<AcquiredRecords> rest;
    for (const AcquiredRecords& each : acquired) {
        Offset next = each.first;
        for (const OffsetRange& range : aborted) {
            OffsetRange hidden{std::max(range.first, next), std::min(range.last, each.last)};
            if (hidden.size() <= 0) continue;
            if (next < hidden.first) rest.push_back({next, hidden.first - 1, each.delivery_count});
            for_each_in(hidden, [&](Runs::iterator run) { give_back(run, RecordState::archived); });
            next = hidden.last + 1;
        }
        if (next <= each.last) rest.push_back({next, each.last, each.delivery_count});
    }
    acquired = std::move(rest);
    advance_start();
}

}  // namespace millrace::share
