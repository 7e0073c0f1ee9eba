#include "core/share/share_partition.h"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>
#include <limits>
#include <utility>

#include "base/check.h"

namespace millrace::share {
namespace {

RecordState state_when_given_back(const SharePartition::Run& run, const ShareLimits& limits) {
    return run.delivery_count >= limits.delivery_count_limit ? RecordState::archived
                                                             : RecordState::available;
}

void add(Offset first, const SharePartition::Run& run, std::vector<StateBatch>& batches) {
    bool goes_on = !batches.empty() && batches.back().last + 1 == first &&
                   batches.back().state == run.state &&
                   batches.back().delivery_count == run.delivery_count;
    if (goes_on) {
        batches.back().last = run.last;
    } else {
        batches.push_back({first, run.last, run.state, run.delivery_count});
    }
}

}  // namespace

Result<SharePartition> SharePartition::restore(Offset start,
                                               const std::vector<StateBatch>& batches) {
    if (start < 0) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("a share partition cannot start at offset {}", start));
    }
    SharePartition partition(start);
    for (const StateBatch& batch : batches) {
        bool fits = batch.first >= partition.end_ && batch.last >= batch.first &&
                    batch.last < std::numeric_limits<Offset>::max();
        if (!fits || batch.delivery_count < 0) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("offsets {} to {} of a share partition, delivered {} times, "
                                    "do not follow on offset {}",
                                    batch.first, batch.last, batch.delivery_count, partition.end_));
        }
        // What lies between was acquired, and never written.
        OffsetRange gap{partition.end_, batch.first - 1};
        if (gap.size() > 0) partition.append_run({.last = gap.last, .batch = gap});
        bool acquired = batch.state == RecordState::acquired;
        partition.append_run({.last = batch.last,
                              .batch = {batch.first, batch.last},
                              .state = acquired ? RecordState::available : batch.state,
                              .delivery_count = batch.delivery_count});
    }
    partition.advance_start();
    return partition;
}

// Runs -----------------------------------------------------------------------------------------

void SharePartition::split(Offset at) {
    auto run = runs_.upper_bound(at);
    if (run == runs_.begin()) return;
    --run;
    if (run->first == at || run->second.last < at) return;
    Run rest = run->second;
    run->second.last = at - 1;
    runs_.emplace_hint(std::next(run), at, std::move(rest));
}

SharePartition::Runs::iterator SharePartition::carve(OffsetRange range) {
    split(range.first);
    split(range.last + 1);
    return runs_.find(range.first);
}

void SharePartition::set_state(Runs::iterator run, RecordState state) {
    Offset size = run->second.last - run->first + 1;
    if (run->second.is_complete()) complete_ -= size;
    run->second.state = state;
    if (run->second.is_complete()) complete_ += size;
    if (state == RecordState::available) may_be_free_ = true;
}

void SharePartition::append_run(Run run) {
    if (run.is_complete()) complete_ += run.last - end_ + 1;
    if (run.state == RecordState::available) may_be_free_ = true;
    Offset first = std::exchange(end_, run.last + 1);
    runs_.emplace_hint(runs_.end(), first, std::move(run));
}

void SharePartition::lock(Run& run, Time until) {
    run.locked_until = until;
    wake_at_ = std::min(wake_at_, until);
}

void SharePartition::give_back(Runs::iterator run, RecordState state) {
    run->second.member_id.clear();
    run->second.locked_until = Time::never();
    run->second.change = 0;
    set_state(run, state);
}

// Acknowledging --------------------------------------------------------------------------------

Result<> SharePartition::check(const std::string& member_id, const Acknowledgement& acknowledgement,
                               const ShareLimits& limits) const {
    const auto& [offsets, types] = acknowledgement;
    auto refuse = [&](ErrorCode code, std::string_view why) {
        return fail(code, fmt::format("Offsets {} to {} cannot be acknowledged: {}.", offsets.first,
                                      offsets.last, why));
    };
    if (offsets.first < 0 || offsets.last < offsets.first)
        return refuse(ErrorCode::invalid_request, "they are none");
    bool one_each = static_cast<Offset>(types.size()) == offsets.size();
    if (types.size() != 1 && !one_each)
        return refuse(ErrorCode::invalid_request, "there is not one type, nor one for each");
    for (std::int8_t type : types) {
        if (type < 0 || type > max_acknowledge_type) {
            return refuse(ErrorCode::invalid_request,
                          fmt::format("acknowledge type {} is unknown", type));
        }
    }
    if (offsets.last < start_) return {};
    if (runs_.empty()) return refuse(ErrorCode::invalid_record_state, "no records are in flight");
    if (offsets.last >= end_) {
        return refuse(ErrorCode::invalid_request,
                      fmt::format("nothing from offset {} on was ever acquired", end_));
    }
    Offset first = std::max(offsets.first, start_);
    for (auto run = std::prev(runs_.upper_bound(first));
         run != runs_.end() && run->first <= offsets.last; ++run) {
        if (run->second.change != 0)
            return refuse(ErrorCode::invalid_record_state, "their state is being changed");
        if (run->second.state != RecordState::acquired)
            return refuse(ErrorCode::invalid_record_state, "they are not acquired");
        if (run->second.member_id != member_id)
            return refuse(ErrorCode::invalid_record_state, "another member has acquired them");
    }
    bool renews = std::ranges::any_of(types, [](std::int8_t type) {
        return type == static_cast<std::int8_t>(AcknowledgeType::renew);
    });
    if (renews && !limits.renews) {
        return refuse(ErrorCode::invalid_record_state,
                      "the group's share.renew.acknowledge.enable is false");
    }
    return {};
}

Result<SharePartition::Change> SharePartition::acknowledge(
    const std::string& member_id, const std::vector<Acknowledgement>& acknowledgements,
    const ShareLimits& limits, Time now) {
    Offset next = 0;
    for (const Acknowledgement& each : acknowledgements) {
        RETURN_IF_ERROR(check(member_id, each, limits));
        if (each.offsets.first < next) {
            return fail(ErrorCode::invalid_request,
                        fmt::format("Offset {} is acknowledged after offset {}.",
                                    each.offsets.first, next - 1));
        }
        next = each.offsets.last + 1;
    }
    Change change{.id = ++last_change_, .batches = {}};
    for (const auto& [offsets, types] : acknowledgements) {
        if (types.size() == 1) {
            acknowledge(offsets, static_cast<AcknowledgeType>(types[0]), limits, now, change);
            continue;
        }
        for (std::size_t i = 0, end = 0; i < types.size(); i = end) {
            while (end < types.size() && types[end] == types[i]) ++end;
            OffsetRange range{offsets.first + static_cast<Offset>(i),
                              offsets.first + static_cast<Offset>(end) - 1};
            acknowledge(range, static_cast<AcknowledgeType>(types[i]), limits, now, change);
        }
    }
    return change;
}

void SharePartition::acknowledge(const OffsetRange& range, AcknowledgeType type,
                                 const ShareLimits& limits, Time now, Change& change) {
    for_each_in(range, [&](Runs::iterator run) {
        switch (type) {
            case AcknowledgeType::renew:
                lock(run->second, now + limits.lock_duration);
                break;
            case AcknowledgeType::accept:
                begin(run, RecordState::acknowledged, change);
                break;
            case AcknowledgeType::release:
                begin(run, state_when_given_back(run->second, limits), change);
                break;
            case AcknowledgeType::gap:
            case AcknowledgeType::reject:
                begin(run, RecordState::archived, change);
                break;
        }
    });
}

// The lock stays for the case that the change must be undone.
void SharePartition::begin(Runs::iterator run, RecordState to, Change& change) {
    run->second.change = change.id;
    set_state(run, to);
    add(run->first, run->second, change.batches);
    std::vector<OffsetRange>& ranges = changes_[change.id];
    if (!ranges.empty() && ranges.back().last + 1 == run->first) {
        ranges.back().last = run->second.last;
    } else {
        ranges.push_back({run->first, run->second.last});
    }
}

SharePartition::Change SharePartition::release(const std::string& member_id,
                                               const ShareLimits& limits) {
    Change change{.id = ++last_change_, .batches = {}};
    for (auto run = runs_.begin(); run != runs_.end(); ++run) {
        bool held =
            run->second.state == RecordState::acquired && run->second.member_id == member_id;
        if (held) begin(run, state_when_given_back(run->second, limits), change);
    }
    return change;
}

SharePartition::Change SharePartition::expire(const ShareLimits& limits, Time now) {
    Change change{.id = ++last_change_, .batches = {}};
    if (now < wake_at_) return change;
    wake_at_ = Time::never();
    for (auto run = runs_.begin(); run != runs_.end(); ++run) {
        if (run->second.state != RecordState::acquired) continue;
        if (run->second.locked_until > now) {
            wake_at_ = std::min(wake_at_, run->second.locked_until);
            continue;
        }
        give_back(run, state_when_given_back(run->second, limits));
        add(run->first, run->second, change.batches);
    }
    return change;
}

void SharePartition::settle(std::uint64_t change, bool written, const ShareLimits& limits,
                            Time now) {
    auto found = changes_.find(change);
    if (found != changes_.end()) {
        std::vector<OffsetRange> ranges = std::move(found->second);
        changes_.erase(found);
        for (const OffsetRange& range : ranges) {
            for_each_in(range, [&](Runs::iterator run) {
                if (run->second.change != change) return;
                if (written) {
                    give_back(run, run->second.state);
                } else if (run->second.locked_until <= now) {
                    give_back(run, state_when_given_back(run->second, limits));
                } else {
                    run->second.change = 0;
                    set_state(run, RecordState::acquired);
                    wake_at_ = std::min(wake_at_, run->second.locked_until);
                }
            });
        }
    }
    advance_start();
}

// The start ------------------------------------------------------------------------------------

void SharePartition::advance_start() {
    auto run = runs_.begin();
    while (run != runs_.end() && run->second.is_complete() && run->second.change == 0) {
        complete_ -= run->second.last - run->first + 1;
        run = runs_.erase(run);
    }
    start_ = run == runs_.end() ? end_ : run->first;
}

void SharePartition::move_start(Offset log_start) {
    if (log_start <= start_) return;
    split(log_start);
    for (auto run = runs_.begin(); run != runs_.end() && run->first < log_start;) {
        if (run->second.is_complete()) complete_ -= run->second.last - run->first + 1;
        run = runs_.erase(run);
    }
    start_ = log_start;
    end_ = std::max(end_, log_start);
}

}  // namespace millrace::share
