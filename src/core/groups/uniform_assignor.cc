#include <algorithm>
#include <set>

#include "core/groups/assignor.h"
#include "core/groups/java_order.h"

namespace millrace::groups {
namespace {

struct OnePartition {
    Uuid topic;
    std::int32_t partition = 0;
};

std::vector<const AssignorMember*> in_table_order(const GroupSpec& spec) {
    std::vector<const AssignorMember*> members;
    for (const AssignorMember& member : spec.members) members.push_back(&member);
    put_in_table_order(members, grown_table(std::max(spec.places, members.size())),
                       [](const AssignorMember* member) { return std::string_view(member->id); });
    return members;
}

// All members subscribe to the same: each has a quota, keeps what fits into it, and those with
// room share what is left in the order of the topics. The quota is larger by one for those of the
// first members that already have that many, as far as enough others are left for the rest.
class Uniform {
  public:
    explicit Uniform(std::vector<const AssignorMember*> members)
        : members_(std::move(members)), topics_(members_.front()->topics) {
        put_in_table_order(topics_, copied_table(members_.front()->names),
                           [](const AssignableTopic& topic) { return topic.id; });
        for (const AssignableTopic& topic : topics_) subscribed_[topic.id] = topic.partitions;
    }

    Assignments assign() {
        std::size_t total = collect_unassigned();
        quota_ = total / members_.size();
        with_one_more_ = total % members_.size();
        for (std::size_t i = 0; i < members_.size(); ++i) keep(*members_[i], members_.size() - i);
        std::size_t next = 0;
        for (auto& [assignment, room] : unfilled_) {
            for (; room > 0 && next < unassigned_.size(); --room, ++next) {
                (*assignment)[unassigned_[next].topic].push_back(unassigned_[next].partition);
            }
            for (auto& [topic, partitions] : *assignment) std::ranges::sort(partitions);
        }
        return std::move(assignments_);
    }

  private:
    // Those that nobody has; returns how many partitions there are.
    std::size_t collect_unassigned() {
        std::map<Uuid, std::set<std::int32_t>> owned;
        for (const AssignorMember* member : members_) {
            for (const auto& [topic, partitions] : *member->current) {
                owned[topic].insert(partitions.begin(), partitions.end());
            }
        }
        std::size_t total = 0;
        for (const AssignableTopic& topic : topics_) {
            const std::set<std::int32_t>& taken = owned[topic.id];
            for (std::int32_t i = 0; i < topic.partitions; ++i) {
                if (!taken.contains(i)) unassigned_.push_back({topic.id, i});
            }
            total += static_cast<std::size_t>(topic.partitions);
        }
        return total;
    }

    // `left`: this member and those that come after it.
    void keep(const AssignorMember& member, std::size_t left) {
        bool one_more = with_one_more_ > 0;
        std::size_t room = quota_ + (one_more ? 1 : 0);
        Assignment& kept = assignments_[member.id];
        for (const OnePartition& each : in_order_of_keeping(*member.current)) {
            if (room > 0) {
                --room;
                kept[each.topic].push_back(each.partition);
            } else {
                unassigned_.push_back(each);
            }
        }
        for (auto& [topic, partitions] : kept) std::ranges::sort(partitions);
        if (room > 0 && one_more && left > with_one_more_) {
            --room;
            one_more = false;
        }
        if (room > 0) unfilled_.emplace_back(&kept, room);
        if (one_more) --with_one_more_;
    }

    std::vector<OnePartition> in_order_of_keeping(const Assignment& current) const {
        std::vector<const Assignment::value_type*> topics;
        for (const auto& entry : current) topics.push_back(&entry);
        put_in_table_order(topics, grown_table(topics.size()),
                           [](const auto* entry) { return entry->first; });
        std::vector<OnePartition> ordered;
        for (const auto* entry : topics) {
            auto subscribed = subscribed_.find(entry->first);
            if (subscribed == subscribed_.end()) continue;
            std::vector<std::int32_t> partitions = entry->second;
            put_in_table_order(partitions, copied_table(partitions.size()),
                               [](std::int32_t partition) { return partition; });
            for (std::int32_t partition : partitions) {
                if (partition < subscribed->second) ordered.push_back({entry->first, partition});
            }
        }
        return ordered;
    }

    std::vector<const AssignorMember*> members_;
    std::vector<AssignableTopic> topics_;
    std::map<Uuid, std::int32_t> subscribed_;  // with the number of partitions
    std::vector<OnePartition> unassigned_;
    std::size_t quota_ = 0;
    std::size_t with_one_more_ = 0;
    std::vector<std::pair<Assignment*, std::size_t>> unfilled_;  // with their room
    Assignments assignments_;
};

}  // namespace

Assignments assign_uniform(const GroupSpec& spec) {
    std::vector<const AssignorMember*> members = in_table_order(spec);
    if (spec.type == SubscriptionType::heterogeneous) {
        return assign_uniform_heterogeneous(members);
    }
    return Uniform(std::move(members)).assign();
}

}  // namespace millrace::groups
