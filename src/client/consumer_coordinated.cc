#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "client/consumer_core.h"
#include "client/log.h"

namespace millrace::client {

Task<void> ConsumerCore::follow_coordinator() {
    GroupSubscription wanted;
    if (mode_ == Mode::pattern) {
        wanted.pattern = pattern_text_;
    } else {
        wanted.topics.assign(topics_.begin(), topics_.end());
    }
    if (!coordinated_->is_alive()) {
        coordinated_->join(std::move(wanted));
    } else if (topics_moved_) {
        coordinated_->subscribe(std::move(wanted));
    }
    topics_moved_ = false;
    // A membership that ends meanwhile is seen by the next turn of poll().
    while (coordinated_->wish() != nullptr) {
        if (!co_await reconcile(*coordinated_->wish())) break;
    }
}

std::string ConsumerCore::name_of(const Uuid& topic) const {
    if (const TopicInfo* info = cluster_.metadata()->topic(topic)) return info->name;
    auto found = names_.find(topic);
    return found == names_.end() ? "" : found->second;
}

// Gives up and takes partitions as the coordinator wishes, as far as it is known what topics it
// means. False: nothing more can be done now.
Task<bool> ConsumerCore::reconcile(CoordinatedMember::Wish wish) {
    TopicIdPartitions known;
    Partitions assigned;
    std::vector<Uuid> unknown;
    for (const auto& [topic, indexes] : wish.partitions) {
        std::string name = name_of(topic);
        if (name.empty()) {
            unknown.push_back(topic);
            continue;
        }
        known[topic] = indexes;
        for (std::int32_t index : indexes) assigned.push_back({name, index});
    }
    std::ranges::sort(assigned);
    bool whole = unknown.empty();
    if (!whole && !std::exchange(finding_names_, true)) scope_.spawn(find_names(unknown));
    if (!whole && known == coordinated_->owned()) co_return false;

    std::uint64_t life = coordinated_->life();
    Partitions owned = partitions_.names();
    Partitions revoked;
    std::ranges::set_difference(owned, assigned, std::back_inserter(revoked));
    if (!revoked.empty()) {
        co_await commit_before_rebalance();
        if (!coordinated_->is_alive() || coordinated_->life() != life) co_return false;
        if (listener_ != nullptr) co_await listener_->revoked(revoked);
        drop(revoked);
    }
    if (!coordinated_->is_alive() || coordinated_->life() != life) co_return false;
    Partitions added;
    std::ranges::set_difference(assigned, owned, std::back_inserter(added));
    for (const TopicPartition& partition : assigned) cluster_.track(partition.topic);
    partitions_.assign(assigned);
    if (mode_ == Mode::pattern) {
        topics_.clear();
        for (const TopicPartition& partition : assigned) topics_.insert(partition.topic);
    }
    next_commit_ = shard_.now() + Duration::milliseconds(config_.auto_commit_interval_ms());
    fetcher_->wake();
    if (listener_ != nullptr) co_await listener_->assigned(added);
    if (!coordinated_->is_alive() || coordinated_->life() != life) co_return false;
    if (whole) {
        coordinated_->follow(wish.number, std::move(known));
    } else {
        coordinated_->follow_in_part(std::move(known));
    }
    co_return true;
}

// Of topics that a pattern means, which nobody asked metadata of before.
Task<void> ConsumerCore::find_names(std::vector<Uuid> topics) {
    std::size_t count = topics.size();
    auto found = co_await cluster_.topic_names(std::move(topics));
    if (found) names_.insert(found->begin(), found->end());
    if (!found) LOG_DEBUG("Names of topics are not known yet: {}", found.error().message);
    // The broker that was asked may be behind.
    if (!found || found->size() < count)
        co_await env::sleep_for(shard_, config_.cluster().retry.first);
    finding_names_ = false;
    changed_.raise();
}

}  // namespace millrace::client
