#include "core/groups/share_assignor.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace millrace::groups {
namespace {

using Partition = std::pair<Uuid, std::int32_t>;
using Partitions = std::set<Partition>;

// Gives partitions out to members, all of which want all of them.
class Sharing {
  public:
    // `held` by the members' places; of partitions that are not to be had, nothing stays.
    Sharing(const Partitions& partitions, const std::vector<std::size_t>& members,
            std::vector<Partitions>& held)
        : held_(held), wanted_(held.size(), 0) {
        for (const Partition& partition : partitions) holders_[partition];
        if (!partitions.empty())
            sharing_ = (members.size() + partitions.size() - 1) / partitions.size();
        double each = members.empty() ? 0
                                      : static_cast<double>(sharing_ * partitions.size()) /
                                            static_cast<double>(members.size());
        auto up_to = [&](std::size_t n) {
            return static_cast<std::size_t>(std::ceil(each * static_cast<double>(n)));
        };
        for (std::size_t i = 0; i < members.size(); ++i)
            wanted_[members[i]] = up_to(i + 1) - up_to(i);
    }

    void balance() {
        take_from_overfilled();
        take_of_overshared();
        give();
    }

  private:
    void take_from_overfilled() {
        for (std::size_t member = 0; member < held_.size(); ++member) {
            Partitions& has = held_[member];
            std::erase_if(has, [&](const Partition& each) { return !holders_.contains(each); });
            while (has.size() > wanted_[member]) has.erase(has.begin());
            for (const Partition& each : has) holders_[each].insert(member);
        }
    }
    void take_of_overshared() {
        for (auto& [partition, members] : holders_) {
            while (members.size() > sharing_) {
                held_[*members.begin()].erase(partition);
                members.erase(members.begin());
            }
        }
    }
    // To one after the other of those that have too few.
    void give() {
        std::set<std::size_t> unfilled;
        for (std::size_t member = 0; member < held_.size(); ++member)
            if (held_[member].size() < wanted_[member]) unfilled.insert(member);
        auto next = unfilled.begin();
        for (auto& [partition, members] : holders_) {
            std::size_t passed_over = 0;
            while (members.size() < sharing_ && passed_over < unfilled.size()) {
                if (next == unfilled.end()) next = unfilled.begin();
                std::size_t member = *next++;
                if (!members.insert(member).second) {
                    ++passed_over;
                    continue;
                }
                passed_over = 0;
                held_[member].insert(partition);
                if (held_[member].size() >= wanted_[member]) next = unfilled.erase(std::prev(next));
            }
        }
    }

    std::vector<Partitions>& held_;
    std::vector<std::size_t> wanted_;
    std::size_t sharing_ = 0;
    std::map<Partition, std::set<std::size_t>> holders_;
};

Partitions partitions_of(const AssignableTopic& topic, const ShareStateTopics::Topics& assignable) {
    Partitions partitions;
    auto found = assignable.find(topic.id);
    if (found == assignable.end()) return partitions;
    for (std::int32_t partition : found->second.partitions)
        if (partition < topic.partitions) partitions.insert({topic.id, partition});
    return partitions;
}

}  // namespace

Assignments assign_simple(const GroupSpec& spec, const ShareStateTopics::Topics& assignable) {
    std::vector<Partitions> current(spec.members.size());
    for (std::size_t i = 0; i < spec.members.size(); ++i) {
        for (const auto& [topic, partitions] : *spec.members[i].current)
            for (std::int32_t partition : partitions) current[i].insert({topic, partition});
    }
    std::vector<Partitions> held(spec.members.size());
    if (spec.type == SubscriptionType::homogeneous) {
        std::vector<std::size_t> everyone;
        for (std::size_t i = 0; i < spec.members.size(); ++i) everyone.push_back(i);
        Partitions all;
        if (!spec.members.empty()) {
            for (const AssignableTopic& topic : spec.members.front().topics)
                all.merge(partitions_of(topic, assignable));
        }
        held = std::move(current);
        Sharing(all, everyone, held).balance();
    } else {
        std::map<Uuid, std::pair<AssignableTopic, std::vector<std::size_t>>> subscribers;
        for (std::size_t i = 0; i < spec.members.size(); ++i) {
            for (const AssignableTopic& topic : spec.members[i].topics) {
                auto& [known, members] = subscribers[topic.id];
                known = topic;
                members.push_back(i);
            }
        }
        for (const auto& [id, topic] : subscribers) {
            std::vector<Partitions> of_topic(spec.members.size());
            for (std::size_t i = 0; i < spec.members.size(); ++i) {
                for (const Partition& each : current[i])
                    if (each.first == id) of_topic[i].insert(each);
            }
            Sharing(partitions_of(topic.first, assignable), topic.second, of_topic).balance();
            for (std::size_t i = 0; i < spec.members.size(); ++i) held[i].merge(of_topic[i]);
        }
    }
    Assignments assignments;
    for (std::size_t i = 0; i < spec.members.size(); ++i) {
        Assignment& assignment = assignments[spec.members[i].id];
        for (const auto& [topic, partition] : held[i]) assignment[topic].push_back(partition);
    }
    return assignments;
}

}  // namespace millrace::groups
