// Offsets that nobody needs any more, and groups that are left without any; see
// group_coordinator.cc.

#include "core/groups/group_coordinator.h"
#include "core/groups/group_records.h"

namespace millrace::groups {

bool GroupCoordinator::modern_reads(const std::string& group_id, const std::string& topic) const {
    if (const ConsumerGroup* consumers = consumers_.find(group_id))
        return consumers->topics().contains(topic);
    const StreamsGroup* streams = streams_.find(group_id);
    return streams != nullptr && streams->reads(topic);
}

bool GroupCoordinator::add_tombstones_if_empty(const std::string& group_id,
                                               std::vector<GroupRecord>& records) const {
    const ConsumerGroup* consumers = consumers_.find(group_id);
    if (consumers != nullptr && consumers->members().empty()) {
        ConsumerGroups::add_tombstones(*consumers, records);
        return true;
    }
    const StreamsGroup* streams = streams_.find(group_id);
    if (streams == nullptr || !streams->members().empty()) return false;
    StreamsGroups::add_tombstones(*streams, records);
    return true;
}

Decision<int> GroupCoordinator::expire_offsets(Time now) const {
    Decision<int> decision{};
    std::vector<GroupRecord>& records = decision.records;
    auto full = [&] { return records.size() >= max_expired; };
    for (const auto& [id, topics] : offsets_) {
        if (full()) break;
        const ClassicGroup* group = find(id);
        bool living = group != nullptr && group->has_members();
        if (!expire_group(id, topics, now, records) || living) continue;
        if (is_modern(id)) {
            add_tombstones_if_empty(id, records);
        } else {
            records.push_back(group_tombstone(id));
        }
    }
    auto end_without_offsets = [&](const auto& groups) {
        for (const auto& [id, group] : groups) {
            if (full()) break;
            if (!offsets_.contains(id)) add_tombstones_if_empty(id, records);
        }
    };
    end_without_offsets(consumers_.all());
    end_without_offsets(streams_.all());
    for (const auto& [id, group] : groups_) {
        if (full()) break;
        if (!group->has_members() && !offsets_.contains(id)) records.push_back(group_tombstone(id));
    }
    decision.response = static_cast<int>(records.size());
    return decision;
}

// True when nothing is left.
bool GroupCoordinator::expire_group(const std::string& group_id, const Offsets& topics, Time now,
                                    std::vector<GroupRecord>& records) const {
    const ClassicGroup* group = find(group_id);
    std::optional<Timestamp> empty_since;
    std::set<std::string> subscribed;
    if (group != nullptr && !group->protocol_type().value_or("").empty()) {
        if (group->state() == GroupState::empty) {
            if (group->state_since()) empty_since = wall_of(*group->state_since());
        } else if (group->state() == GroupState::stable && group->protocol_type() == "consumer" &&
                   group->all_subscriptions_known()) {
            subscribed = group->subscribed_topics();
        } else {
            return false;
        }
    }
    bool all = true;
    for (const auto& [topic, partitions] : topics) {
        bool is_read = subscribed.contains(topic) || modern_reads(group_id, topic);
        for (const auto& [partition, offset] : partitions) {
            Timestamp since = empty_since.value_or(offset.commit_timestamp);
            bool over = offset.expire_timestamp >= 0
                            ? wall_of(now) >= offset.expire_timestamp
                            : wall_of(now) - since >= options_.offsets_retention.ms();
            bool stays = !over || is_read || is_unstable(group_id, topic, partition);
            if (stays || records.size() >= max_expired) {
                all = false;
                continue;
            }
            records.push_back(offset_tombstone(group_id, topic, partition));
        }
    }
    return all;
}

}  // namespace millrace::groups
