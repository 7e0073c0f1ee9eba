#include "core/groups/share_group_records.h"

#include <algorithm>

#include "core/coordinator/record_codec.h"
#include "protocol/share_group_current_member_assignment.h"
#include "protocol/share_group_member_metadata.h"
#include "protocol/share_group_metadata.h"
#include "protocol/share_group_state_partition_metadata.h"
#include "protocol/share_group_target_assignment_member.h"
#include "protocol/share_group_target_assignment_metadata.h"

namespace millrace::groups {
namespace {

using coordinator::encode_key;
using StateTopicsValue = ShareGroupStatePartitionMetadataValue;

template <typename Key, typename Value>
GroupRecord record_of(const Key& key, const Value& value) {
    return {encode_key(key), coordinator::encode_value(value, 0)};
}

// What `make(key, value)` gives, or `gone(key)` for a tombstone.
template <typename Key, typename Value, typename Make, typename Gone>
Result<ShareGroupEntry> parse_as(Bytes bytes, const std::optional<Slice>& value, Make make,
                                 Gone gone) {
    Reader reader(bytes);
    ASSIGN_OR_RETURN(Key key, Key::decode(reader, 0));
    if (!value) return ShareGroupEntry{key.group_id, gone(key)};
    ASSIGN_OR_RETURN(Value decoded, coordinator::decode_value<Value>(value->bytes()));
    return ShareGroupEntry{key.group_id, make(key, decoded)};
}

template <typename Topics>
Assignment assignment_of(const Topics& topics) {
    Assignment assignment;
    for (const auto& topic : topics) {
        if (topic.partitions.empty()) continue;
        auto& partitions = assignment[topic.topic_id];
        partitions.insert(partitions.end(), topic.partitions.begin(), topic.partitions.end());
        std::ranges::sort(partitions);
        auto repeated = std::ranges::unique(partitions);
        partitions.erase(repeated.begin(), repeated.end());
    }
    return assignment;
}

template <typename Topic>
std::vector<Topic> topics_of(const Assignment& assignment) {
    std::vector<Topic> topics;
    for (const auto& [topic_id, partitions] : assignment) topics.push_back({topic_id, partitions});
    return topics;
}

ShareStateTopics::Topics state_topics_of(
    const std::vector<StateTopicsValue::TopicPartitionsInfo>& told) {
    ShareStateTopics::Topics topics;
    for (const auto& topic : told) {
        topics[topic.topic_id] = {topic.topic_name,
                                  {topic.partitions.begin(), topic.partitions.end()}};
    }
    return topics;
}

std::vector<StateTopicsValue::TopicPartitionsInfo> told_of(const ShareStateTopics::Topics& topics) {
    std::vector<StateTopicsValue::TopicPartitionsInfo> told;
    for (const auto& [id, topic] : topics)
        told.push_back({id, topic.name, {topic.partitions.begin(), topic.partitions.end()}});
    return told;
}

ShareStateTopics state_topics_of(const StateTopicsValue& value) {
    ShareStateTopics topics{.initializing = state_topics_of(value.initializing_topics),
                            .initialized = state_topics_of(value.initialized_topics),
                            .deleting = {}};
    for (const auto& topic : value.deleting_topics)
        topics.deleting[topic.topic_id] = topic.topic_name;
    return topics;
}

ShareSubscription subscription_of(const ShareGroupMemberMetadataKey& key,
                                  const ShareGroupMemberMetadataValue& value) {
    return {{.id = key.member_id,
             .rack = value.rack_id,
             .client = {value.client_id, value.client_host},
             .topics = {value.subscribed_topic_names.begin(), value.subscribed_topic_names.end()},
             .assigned = {}}};
}

}  // namespace

bool is_share_record(std::int16_t type) { return type >= 10 && type <= 15; }

Result<ShareGroupEntry> parse_share_record(std::int16_t type, Bytes key,
                                           const std::optional<Slice>& value) {
    switch (type) {
        case ShareGroupMemberMetadataKey::record_type:
            return parse_as<ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue>(
                key, value, subscription_of,
                [](const auto& k) { return MemberSubscriptionGone{k.member_id}; });
        case ShareGroupMetadataKey::record_type:
            return parse_as<ShareGroupMetadataKey, ShareGroupMetadataValue>(
                key, value,
                [](const auto&, const auto& v) { return GroupEpoch{v.epoch, v.metadata_hash}; },
                [](const auto&) { return GroupEpochGone{}; });
        case ShareGroupTargetAssignmentMetadataKey::record_type:
            return parse_as<ShareGroupTargetAssignmentMetadataKey,
                            ShareGroupTargetAssignmentMetadataValue>(
                key, value,
                [](const auto&, const auto& v) {
                    return TargetEpoch{v.assignment_epoch, v.assignment_timestamp};
                },
                [](const auto&) { return TargetEpochGone{}; });
        case ShareGroupTargetAssignmentMemberKey::record_type:
            return parse_as<ShareGroupTargetAssignmentMemberKey,
                            ShareGroupTargetAssignmentMemberValue>(
                key, value,
                [](const auto& k, const auto& v) {
                    return MemberTarget{k.member_id, assignment_of(v.topic_partitions)};
                },
                [](const auto& k) { return MemberTargetGone{k.member_id}; });
        case ShareGroupCurrentMemberAssignmentKey::record_type:
            return parse_as<ShareGroupCurrentMemberAssignmentKey,
                            ShareGroupCurrentMemberAssignmentValue>(
                key, value,
                [](const auto& k, const auto& v) {
                    return ShareCurrent{{.id = k.member_id,
                                         .topics = {},
                                         .epoch = v.member_epoch,
                                         .previous_epoch = v.previous_member_epoch,
                                         .assigned = assignment_of(v.assigned_partitions)}};
                },
                [](const auto& k) { return MemberCurrentGone{k.member_id}; });
        default:
            return parse_as<ShareGroupStatePartitionMetadataKey, StateTopicsValue>(
                key, value, [](const auto&, const auto& v) { return state_topics_of(v); },
                [](const auto&) { return ShareStateTopicsGone{}; });
    }
}

GroupRecord share_subscription_record(const std::string& group, const ShareMember& member) {
    ShareGroupMemberMetadataValue value{
        .rack_id = member.rack,
        .client_id = member.client.id,
        .client_host = member.client.host,
        .subscribed_topic_names = {member.topics.begin(), member.topics.end()}};
    return record_of(ShareGroupMemberMetadataKey{group, member.id}, value);
}

GroupRecord share_subscription_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(ShareGroupMemberMetadataKey{group, member_id}), std::nullopt};
}

GroupRecord share_epoch_record(const std::string& group, const GroupEpoch& epoch) {
    return record_of(ShareGroupMetadataKey{group},
                     ShareGroupMetadataValue{epoch.epoch, epoch.metadata_hash});
}

GroupRecord share_epoch_tombstone(const std::string& group) {
    return {encode_key(ShareGroupMetadataKey{group}), std::nullopt};
}

GroupRecord share_target_epoch_record(const std::string& group, const TargetEpoch& epoch) {
    return record_of(ShareGroupTargetAssignmentMetadataKey{group},
                     ShareGroupTargetAssignmentMetadataValue{epoch.epoch, epoch.assigned_at});
}

GroupRecord share_target_epoch_tombstone(const std::string& group) {
    return {encode_key(ShareGroupTargetAssignmentMetadataKey{group}), std::nullopt};
}

GroupRecord share_target_record(const std::string& group, const std::string& member_id,
                                const Assignment& partitions) {
    using Value = ShareGroupTargetAssignmentMemberValue;
    return record_of(ShareGroupTargetAssignmentMemberKey{group, member_id},
                     Value{topics_of<Value::TopicPartition>(partitions)});
}

GroupRecord share_target_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(ShareGroupTargetAssignmentMemberKey{group, member_id}), std::nullopt};
}

GroupRecord share_current_record(const std::string& group, const ShareMember& member) {
    using Value = ShareGroupCurrentMemberAssignmentValue;
    return record_of(
        ShareGroupCurrentMemberAssignmentKey{group, member.id},
        Value{.member_epoch = member.epoch,
              .previous_member_epoch = member.previous_epoch,
              .state = static_cast<std::int8_t>(MemberState::stable),
              .assigned_partitions = topics_of<Value::TopicPartitions>(member.assigned)});
}

GroupRecord share_current_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(ShareGroupCurrentMemberAssignmentKey{group, member_id}), std::nullopt};
}

GroupRecord share_state_topics_record(const std::string& group, const ShareStateTopics& topics) {
    StateTopicsValue value{.initializing_topics = told_of(topics.initializing),
                           .initialized_topics = told_of(topics.initialized)};
    for (const auto& [id, name] : topics.deleting) value.deleting_topics.push_back({id, name});
    return record_of(ShareGroupStatePartitionMetadataKey{group}, value);
}

GroupRecord share_state_topics_tombstone(const std::string& group) {
    return {encode_key(ShareGroupStatePartitionMetadataKey{group}), std::nullopt};
}

}  // namespace millrace::groups
