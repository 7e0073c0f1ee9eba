#include "core/replication/leader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::replication {

using metadata::contains;
using Outcome = LeaderActions::Outcome;

namespace {

Outcome outcome_of(bool expands) { return expands ? Outcome::expanded : Outcome::shrunk; }

bool is_same(const IsrChange& change, const BrokerIds& isr) {
    return change.isr.size() == isr.size() &&
           std::ranges::all_of(change.isr, [&](const IsrChange::Member& member) {
               return contains(isr, member.id);
           });
}

}  // namespace

Leader::Leader(std::int32_t self, StateChanged begun, Offset epoch_start, Offset high_watermark,
               Time now, const Rules& rules)
    : rules_(&rules),
      self_(self),
      leader_epoch_(begun.state.leader_epoch),
      partition_epoch_(begun.state.epoch),
      min_isr_(begun.min_isr),
      isr_(begun.state.isr),
      epoch_start_(epoch_start),
      high_watermark_(rules.begins_at(high_watermark)) {
    take_replicas(begun.state, now, true);
}

LeaderActions Leader::step(const LeaderEvent& event, const LeaderInput& input) {
    LeaderActions actions;
    std::visit([&](const auto& each) { handle(each, input, actions); }, event);
    return actions;
}

// Who is in sync when the leader begins is taken to be level: it has max_lag to show itself.
void Leader::take_replicas(const metadata::Partition& state, Time now, bool begins) {
    std::vector<Follower> before = std::exchange(followers_, {});
    for (std::int32_t id : state.replicas) {
        if (id == self_) continue;
        auto known = std::ranges::find(before, id, &Follower::id);
        Follower& follower =
            followers_.emplace_back(known == before.end() ? Follower{.id = id} : *known);
        bool begins_in_sync = contains(state.isr, id) && (begins || known == before.end());
        if (begins_in_sync) follower.caught_up = now;
    }
    min_isr_ = std::min(min_isr_, static_cast<std::int32_t>(state.replicas.size()));
}

const Leader::Follower* Leader::find(std::int32_t id) const {
    auto found = std::ranges::find(followers_, id, &Follower::id);
    return found == followers_.end() ? nullptr : &*found;
}

void Leader::handle(const StateChanged& event, const LeaderInput& input, LeaderActions& actions) {
    const metadata::Partition& state = event.state;
    CHECK(state.leader == self_ && state.leader_epoch == leader_epoch_);
    min_isr_ = event.min_isr;
    if (state.epoch > partition_epoch_) {
        bool granted = pending_ && is_same(pending_->change, state.isr);
        if (granted) actions.outcome = outcome_of(pending_->expands);
        partition_epoch_ = state.epoch;
        isr_ = state.isr;
        pending_.reset();
    }
    // An image that is behind what the controller has answered still tells the replicas.
    take_replicas(state, input.now, false);
    advance(input, actions);
}

void Leader::handle(const LogMoved& event, const LeaderInput& input, LeaderActions& actions) {
    end_ = event.end;
    counted_ = rules_->counts_itself(event.end, event.counted);
    advance(input, actions);
}

void Leader::handle(const FollowerFetched& event, const LeaderInput& input,
                    LeaderActions& actions) {
    auto found = std::ranges::find(followers_, event.id, &Follower::id);
    CHECK(found != followers_.end());
    Follower& follower = *found;
    const metadata::Broker* broker = input.image.active_broker(event.id);
    std::int64_t life = rules_->life_of(event.broker_epoch);
    if (life != -1 && broker != nullptr && broker->epoch > life) {
        actions.refused = true;
        return;
    }
    if (event.offset >= end_) {
        follower.caught_up = input.now;
    } else if (event.offset >= follower.leader_end && follower.leader_end != no_offset) {
        // It has all that there was when it asked before.
        follower.caught_up = std::max(follower.caught_up.value_or(Time()), follower.last_fetch);
    }
    follower.end = event.offset;
    follower.log_start = event.log_start;
    follower.leader_end = std::max(follower.leader_end, end_);
    follower.last_fetch = input.now;
    follower.broker_epoch = life;

    bool joins = !pending_ && !contains(isr_, event.id) &&
                 rules_->has_all(event.offset, high_watermark_, epoch_start_) &&
                 may_join(follower, input.image);
    if (joins) {
        BrokerIds isr = isr_;
        isr.push_back(event.id);
        propose(isr, isr, input, actions);
    }
    advance(input, actions);
}

void Leader::handle(const LagChecked&, const LeaderInput& input, LeaderActions& actions) {
    if (!pending_) {
        BrokerIds isr;
        for (std::int32_t id : isr_) {
            const Follower* follower = find(id);
            if (id == self_ || (follower != nullptr && is_caught_up(*follower, input))) {
                isr.push_back(id);
            }
        }
        if (isr.size() < isr_.size()) propose(std::move(isr), isr_, input, actions);
    }
    advance(input, actions);
}

void Leader::propose(BrokerIds isr, BrokerIds maximal, const LeaderInput& input,
                     LeaderActions& actions) {
    IsrChange change{.leader_epoch = leader_epoch_, .partition_epoch = partition_epoch_};
    for (std::int32_t id : isr) {
        const Follower* follower = find(id);
        const metadata::Broker* self = id == self_ ? input.image.brokers.find(id) : nullptr;
        std::int64_t epoch = -1;
        if (self != nullptr) epoch = self->epoch;
        if (follower != nullptr) epoch = follower->broker_epoch.value_or(-1);
        change.isr.push_back({id, epoch});
    }
    bool expands = isr.size() > isr_.size();
    if (rules_->takes_unanswered()) isr_ = maximal = isr;
    pending_ = Pending{change, std::move(maximal), expands};
    actions.change = std::move(change);
}

void Leader::handle(const ChangeAnswered& event, const LeaderInput& input, LeaderActions& actions) {
    settle(event, actions);
    advance(input, actions);
}

void Leader::settle(const ChangeAnswered& event, LeaderActions& actions) {
    bool is_of_pending = pending_ && pending_->change.partition_epoch == event.asked_epoch;
    if (event.error == ErrorCode::none) {
        if (event.leader_epoch != leader_epoch_ || event.partition_epoch < partition_epoch_) return;
        if (event.partition_epoch == partition_epoch_ && !is_of_pending) return;
        if (is_of_pending) actions.outcome = outcome_of(pending_->expands);
        partition_epoch_ = event.partition_epoch;
        isr_ = event.isr;
        pending_.reset();
        return;
    }
    if (!is_of_pending) return;
    switch (event.error) {
        case ErrorCode::operation_not_attempted:
        case ErrorCode::ineligible_replica:
            // Nothing has changed: the next fetch, or check, may ask again.
            actions.outcome = Outcome::failed;
            pending_.reset();
            return;
        case ErrorCode::unknown_topic_or_partition:
        case ErrorCode::unknown_topic_id:
        case ErrorCode::fenced_leader_epoch:
        case ErrorCode::invalid_update_version:
        case ErrorCode::invalid_request:
        case ErrorCode::new_leader_elected:
            // The controller knows a later state, which is on its way here. Until then the larger
            // ISR counts: it may be what the controller has.
            actions.outcome = Outcome::failed;
            return;
        default:
            if (!rules_->asks_again()) return pending_.reset();
            actions.change = pending_->change;
            actions.retry = true;
    }
}

bool Leader::is_caught_up(const Follower& follower, const LeaderInput& input) const {
    if (follower.end == end_) return true;
    return follower.caught_up && input.now - *follower.caught_up <= input.max_lag;
}

// A broker that was started anew since it fetched, or is about to go, may not join (KIP-841, 903).
bool Leader::may_join(const Follower& follower, const metadata::Image& image) const {
    const metadata::Broker* broker = image.brokers.find(follower.id);
    return broker != nullptr && broker->is_active() && follower.broker_epoch &&
           (*follower.broker_epoch == -1 || *follower.broker_epoch == broker->epoch);
}

void Leader::advance(const LeaderInput& input, LeaderActions& actions) {
    if (!rules_->may_commit(static_cast<std::int32_t>(isr_.size()), min_isr_)) return;
    Offset to = counted_;
    for (const Follower& follower : followers_) {
        if (follower.end >= to) continue;
        bool may_be_in_isr = contains(maximal_isr(), follower.id) ||
                             (is_caught_up(follower, input) && may_join(follower, input.image));
        if (rules_->waits_for(contains(isr_, follower.id), may_be_in_isr)) to = follower.end;
    }
    if (to <= high_watermark_) return;
    high_watermark_ = to;
    actions.high_watermark_moved = true;
}

Offset Leader::low_watermark(Offset own_start, const metadata::Image& image) const {
    Offset low = own_start;
    for (const Follower& follower : followers_) {
        if (image.active_broker(follower.id) != nullptr) low = std::min(low, follower.log_start);
    }
    return low;
}

}  // namespace millrace::replication
