#include <algorithm>
#include <fmt/format.h>

#include "client/consumer_core.h"
#include "client/log.h"

namespace millrace::client {
namespace {

Partitions without(const Partitions& from, const Partitions& taken) {
    Partitions rest;
    for (const TopicPartition& partition : from)
        if (std::ranges::find(taken, partition) == taken.end()) rest.push_back(partition);
    return rest;
}

}  // namespace

Task<Result<>> ConsumerCore::update_membership() {
    if (mode_ != Mode::topics && mode_ != Mode::pattern) co_return Result<>();
    if (member_->take_lost()) co_await lose_partitions();
    if (std::optional<Error> error = member_->take_error()) co_return fail(*std::move(error));
    if (coordinated_ != nullptr) {
        co_await follow_coordinator();
    } else {
        co_await follow_classic_group();
    }
    co_return Result<>();
}

Task<void> ConsumerCore::follow_classic_group() {
    match_pattern();
    // A second assignment can follow at once when the first one has to be given up in part.
    if (classic_->state() == GroupMember::State::assigned) co_await take_assignment();
    if (classic_->state() == GroupMember::State::stable) {
        if (topics_moved_) classic_->want_rejoin("the subscription has changed");
        if (classic_->topics_changed()) classic_->want_rejoin("topics have other partitions now");
    }
    bool out = classic_->state() == GroupMember::State::out;
    bool again = classic_->state() == GroupMember::State::stable && classic_->rejoin_wanted();
    if (out || again) co_await prepare_join();
}

// The membership ended: who has the partitions is not known.
Task<void> ConsumerCore::lose_partitions() {
    Partitions had = partitions_.names();
    if (had.empty()) co_return;
    LOG_WARN("Group {}: {} partitions are lost; they may be another member's already",
             *config_.group_id(), had.size());
    drop(had);
    if (listener_ != nullptr) co_await listener_->lost(had);
}

Task<void> ConsumerCore::commit_before_rebalance() {
    PartitionOffsets offsets = positions();
    if (!commits_by_itself() || offsets.empty()) co_return;
    // A member that is no longer one cannot commit; it hears so at once.
    constexpr Duration most = Duration::seconds(5);  // of what the rebalance has
    Result<> done =
        co_await commit(std::move(offsets), std::min(api_deadline(), shard_.now() + most));
    if (!done) LOG_WARN("{}", done.error().message);
}

Task<void> ConsumerCore::prepare_join() {
    co_await commit_before_rebalance();
    Partitions owned = partitions_.names();
    Partitions revoked;
    if (classic_->protocol() == RebalanceProtocol::eager) {
        revoked = owned;
    } else {
        std::ranges::copy_if(owned, std::back_inserter(revoked), [&](const TopicPartition& name) {
            return !topics_.contains(name.topic);
        });
    }
    if (!revoked.empty()) {
        if (listener_ != nullptr) co_await listener_->revoked(revoked);
        drop(revoked);
    }
    // Heartbeats go on meanwhile and may have ended the membership.
    if (classic_->state() == GroupMember::State::joining) co_return;
    topics_moved_ = false;
    classic_->begin_join({topics_.begin(), topics_.end()}, partitions_.names());
}

Task<void> ConsumerCore::take_assignment() {
    Partitions assigned = classic_->take_assignment();
    std::ranges::sort(assigned);
    bool foreign = std::ranges::any_of(assigned, [&](const TopicPartition& partition) {
        return !topics_.contains(partition.topic);
    });
    if (foreign && mode_ == Mode::topics) {
        // Decided from an older subscription of this member.
        topics_moved_ = true;
        std::erase_if(assigned, [&](const TopicPartition& partition) {
            return !topics_.contains(partition.topic);
        });
    }
    Partitions owned = partitions_.names();
    Partitions added = without(assigned, owned);
    Partitions revoked = without(owned, assigned);
    if (!revoked.empty()) {
        if (listener_ != nullptr) co_await listener_->revoked(revoked);
        drop(revoked);
        // What was given up can be shared out only in another round.
        if (classic_->protocol() == RebalanceProtocol::cooperative)
            classic_->want_rejoin("partitions were given up");
    }
    for (const TopicPartition& partition : assigned) cluster_.track(partition.topic);
    partitions_.assign(assigned);
    next_commit_ = shard_.now() + Duration::milliseconds(config_.auto_commit_interval_ms());
    if (listener_ != nullptr) co_await listener_->assigned(added);
}

void ConsumerCore::drop(const Partitions& partitions) {
    partitions_.assign(without(partitions_.names(), partitions));
    fetcher_->wake();
}

}  // namespace millrace::client
