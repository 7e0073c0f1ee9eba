#include "client/sticky_balance.h"

#include <algorithm>
#include <deque>
#include <set>
#include <tuple>

namespace millrace::client {
namespace {

std::vector<TopicPartition> all_partitions(const PartitionCounts& counts) {
    std::vector<TopicPartition> all;
    for (const auto& [topic, count] : counts)
        for (std::int32_t partition = 0; partition < count; ++partition)
            all.push_back({topic, partition});
    return all;
}

std::set<std::string> topics_of(const Subscription& subscription, const PartitionCounts& counts) {
    std::set<std::string> topics;
    for (const std::string& topic : subscription.topics)
        if (counts.contains(topic)) topics.insert(topic);
    return topics;
}

// What each member had for sure, of partitions that exist and that it still subscribes to.
Assignment owned_before(const PartitionCounts& counts, const Subscriptions& members,
                        const Claims& claims) {
    struct Owner {
        std::string member;
        std::int32_t generation = -1;
        bool disputed = false;
    };
    std::map<TopicPartition, Owner> owners;
    for (const auto& [id, claim] : claims) {
        for (const TopicPartition& partition : claim.partitions) {
            auto [at, added] = owners.emplace(partition, Owner{id, claim.generation, false});
            if (added || at->second.member == id || claim.generation < at->second.generation)
                continue;
            if (claim.generation == at->second.generation) {
                at->second.disputed = true;
            } else {
                at->second = {id, claim.generation, false};
            }
        }
    }
    Assignment owned;
    for (const auto& [id, subscription] : members) owned[id];
    for (const auto& [partition, owner] : owners) {
        auto count = counts.find(partition.topic);
        if (owner.disputed || count == counts.end() || partition.partition < 0 ||
            partition.partition >= count->second)
            continue;
        const auto& topics = members.at(owner.member).topics;
        if (std::ranges::find(topics, partition.topic) != topics.end())
            owned[owner.member].push_back(partition);
    }
    return owned;
}

// All members subscribe alike: everybody gets the same number, or one more.
class EvenShares {
  public:
    EvenShares(std::size_t partitions, std::size_t members)
        : least_(partitions / members),
          most_((partitions + members - 1) / members),
          larger_left_(partitions % members) {}

    Assignment share(Assignment owned, const std::vector<TopicPartition>& all) {
        for (auto& [id, partitions] : owned) keep(id, partitions);
        std::set<TopicPartition> taken;
        for (const auto& [id, partitions] : kept_)
            taken.insert(partitions.begin(), partitions.end());
        std::size_t turn = 0;
        for (const TopicPartition& partition : all)
            if (!taken.contains(partition)) deal(partition, turn);
        return std::move(kept_);
    }

  private:
    // The member keeps what its share allows.
    void keep(const std::string& id, std::vector<TopicPartition>& partitions) {
        std::ranges::sort(partitions, {}, [](const TopicPartition& p) {
            return std::pair(p.partition, std::string_view(p.topic));
        });
        if (partitions.size() < least_) {
            too_small_.push_back(id);
        } else if (partitions.size() >= most_ && larger_left_ > 0) {
            partitions.resize(most_);
            if (--larger_left_ == 0) just_least_.clear();
        } else {
            partitions.resize(least_);
            if (larger_left_ > 0) just_least_.push_back(id);
        }
        kept_[id] = std::move(partitions);
    }

    // First those below their share, by turns; then one more each for some.
    void deal(const TopicPartition& partition, std::size_t& turn) {
        if (too_small_.empty()) {
            CHECK(!just_least_.empty());
            kept_[just_least_.front()].push_back(partition);
            just_least_.pop_front();
            if (--larger_left_ == 0) just_least_.clear();
            return;
        }
        if (turn >= too_small_.size()) turn = 0;
        std::string id = too_small_[turn];
        auto& partitions = kept_[id];
        partitions.push_back(partition);
        if (partitions.size() < least_) {
            ++turn;
            return;
        }
        too_small_.erase(too_small_.begin() + static_cast<std::ptrdiff_t>(turn));
        if (larger_left_ > 0) just_least_.push_back(id);
    }

    std::size_t least_;
    std::size_t most_;
    std::size_t larger_left_;  // members that may still get the larger share
    std::vector<std::string> too_small_;
    std::deque<std::string> just_least_;
    Assignment kept_;
};

// Members subscribe to different topics: the least loaded member that may takes each, and then
// partitions move for as long as that makes two members more alike.
class UnevenShares {
  public:
    UnevenShares(const PartitionCounts& counts, const Subscriptions& members, Assignment owned)
        : shares_(std::move(owned)) {
        for (const auto& [id, subscription] : members)
            for (const std::string& topic : topics_of(subscription, counts))
                eligible_[topic].push_back(id);
    }

    Assignment share(std::vector<TopicPartition> all) {
        std::set<TopicPartition> taken;
        for (const auto& [id, partitions] : shares_)
            taken.insert(partitions.begin(), partitions.end());
        // Those with the fewest candidates first: the others have a choice.
        std::ranges::sort(all, {}, [&](const TopicPartition& partition) {
            return std::tuple(eligible_[partition.topic].size(), std::string_view(partition.topic),
                              partition.partition);
        });
        for (const TopicPartition& partition : all)
            if (!taken.contains(partition) && !eligible_[partition.topic].empty())
                shares_[least_loaded(partition.topic)].push_back(partition);
        while (move_one()) {
        }
        return std::move(shares_);
    }

  private:
    const std::string& least_loaded(const std::string& topic) const {
        const auto& candidates = eligible_.at(topic);
        return *std::ranges::min_element(
            candidates, {}, [&](const std::string& id) { return shares_.at(id).size(); });
    }
    // Each move makes the sum of squares smaller, so that they end.
    bool move_one() {
        for (auto& [id, partitions] : shares_) {
            for (auto at = partitions.begin(); at != partitions.end(); ++at) {
                const std::string& other = least_loaded(at->topic);
                if (shares_[other].size() + 1 >= partitions.size()) continue;
                shares_[other].push_back(*at);
                partitions.erase(at);
                return true;
            }
        }
        return false;
    }

    Assignment shares_;
    std::map<std::string, std::vector<std::string>> eligible_;  // members by topic
};

}  // namespace

Assignment balance_sticky(const PartitionCounts& counts, const Subscriptions& members,
                          const Claims& claims) {
    Assignment owned = owned_before(counts, members, claims);
    if (members.empty()) return owned;
    PartitionCounts wanted;
    std::set<std::string> first = topics_of(members.begin()->second, counts);
    bool alike = true;
    for (const auto& [id, subscription] : members) {
        std::set<std::string> topics = topics_of(subscription, counts);
        alike = alike && topics == first;
        for (const std::string& topic : topics) wanted[topic] = counts.at(topic);
    }
    std::vector<TopicPartition> all = all_partitions(wanted);
    if (alike) return EvenShares(all.size(), members.size()).share(std::move(owned), all);
    return UnevenShares(counts, members, std::move(owned)).share(std::move(all));
}

}  // namespace millrace::client
