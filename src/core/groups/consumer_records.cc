#include "core/groups/consumer_records.h"

#include "core/coordinator/record_codec.h"
#include "protocol/consumer_group_current_member_assignment.h"
#include "protocol/consumer_group_member_metadata.h"
#include "protocol/consumer_group_metadata.h"
#include "protocol/consumer_group_partition_metadata.h"
#include "protocol/consumer_group_regular_expression.h"
#include "protocol/consumer_group_target_assignment_member.h"
#include "protocol/consumer_group_target_assignment_metadata.h"

namespace millrace::groups {
namespace {

using coordinator::encode_key;
using CurrentValue = ConsumerGroupCurrentMemberAssignmentValue;
using SubscriptionValue = ConsumerGroupMemberMetadataValue;

template <typename Key, typename Value>
GroupRecord record_of(const Key& key, const Value& value) {
    return {encode_key(key), coordinator::encode_value(value, 0)};
}

// Reading ----------------------------------------------------------------------------------------

// What `make(key, value)` gives, or `gone(key)` for a tombstone.
template <typename Key, typename Value, typename Make, typename Gone>
Result<ConsumerEntry> parse_as(Bytes bytes, const std::optional<Slice>& value, Make make,
                               Gone gone) {
    Reader reader(bytes);
    ASSIGN_OR_RETURN(Key key, Key::decode(reader, 0));
    if (!value) return ConsumerEntry{key.group_id, gone(key)};
    ASSIGN_OR_RETURN(Value decoded, coordinator::decode_value<Value>(value->bytes()));
    return ConsumerEntry{key.group_id, make(key, decoded)};
}

MemberSubscription subscription_of(const ConsumerGroupMemberMetadataKey& key,
                                   const SubscriptionValue& value) {
    ConsumerMember member{
        .id = key.member_id,
        .instance_id = value.instance_id,
        .rack = value.rack_id,
        .client = {value.client_id, value.client_host},
        .rebalance_timeout_ms = value.rebalance_timeout_ms,
        .topics = {value.subscribed_topic_names.begin(), value.subscribed_topic_names.end()},
        .regex = value.subscribed_topic_regex,
        .assignor = value.server_assignor,
    };
    if (value.classic_member_metadata) {
        ClassicMetadata& classic = member.classic.emplace();
        classic.session_timeout =
            Duration::milliseconds(value.classic_member_metadata->session_timeout_ms);
        for (const auto& protocol : value.classic_member_metadata->supported_protocols) {
            classic.protocols.push_back({protocol.name, Slice::copy(protocol.metadata.bytes())});
        }
    }
    return {std::move(member)};
}

// Records of earlier versions tell no epochs: the member's own stands for each.
EpochAssignment epochs_of(const std::vector<CurrentValue::TopicPartitions>& topics,
                          std::int32_t member_epoch) {
    EpochAssignment assignment;
    for (const auto& topic : topics) {
        const auto& epochs = topic.assignment_epochs;
        bool told = epochs && epochs->size() == topic.partitions.size();
        auto& partitions = assignment[topic.topic_id];
        for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
            partitions[topic.partitions[i]] = told ? (*epochs)[i] : std::max(member_epoch, 0);
        }
        if (partitions.empty()) assignment.erase(topic.topic_id);
    }
    return assignment;
}

MemberCurrent current_of(const ConsumerGroupCurrentMemberAssignmentKey& key,
                         const CurrentValue& value) {
    ConsumerMember member{.id = key.member_id,
                          .epoch = value.member_epoch,
                          .previous_epoch = value.previous_member_epoch};
    bool known = value.state >= 0 && value.state <= 2;
    member.state = known ? static_cast<MemberState>(value.state) : MemberState::unknown;
    member.assigned = epochs_of(value.assigned_partitions, value.member_epoch);
    member.pending_revocation = epochs_of(value.partitions_pending_revocation, value.member_epoch);
    return {std::move(member)};
}

MemberTarget target_of(const ConsumerGroupTargetAssignmentMemberKey& key,
                       const ConsumerGroupTargetAssignmentMemberValue& value) {
    MemberTarget target{.member_id = key.member_id};
    for (const auto& topic : value.topic_partitions) {
        if (topic.partitions.empty()) continue;
        auto& partitions = target.partitions[topic.topic_id];
        partitions.insert(partitions.end(), topic.partitions.begin(), topic.partitions.end());
        std::ranges::sort(partitions);
        auto repeated = std::ranges::unique(partitions);
        partitions.erase(repeated.begin(), repeated.end());
    }
    return target;
}

// Writing ----------------------------------------------------------------------------------------

std::vector<CurrentValue::TopicPartitions> topics_of(const EpochAssignment& assignment) {
    std::vector<CurrentValue::TopicPartitions> topics;
    for (const auto& [topic_id, partitions] : assignment) {
        auto& topic = topics.emplace_back();
        topic.topic_id = topic_id;
        for (const auto& [partition, epoch] : partitions) {
            topic.partitions.push_back(partition);
            topic.assignment_epochs->push_back(epoch);
        }
    }
    return topics;
}

}  // namespace

bool contains(const Assignment& assignment, const Uuid& topic, std::int32_t partition) {
    auto found = assignment.find(topic);
    return found != assignment.end() && std::ranges::binary_search(found->second, partition);
}

bool contains(const EpochAssignment& assignment, const Uuid& topic, std::int32_t partition) {
    auto found = assignment.find(topic);
    return found != assignment.end() && found->second.contains(partition);
}

bool is_consumer_record(std::int16_t type) { return (type >= 3 && type <= 8) || type == 16; }

Result<ConsumerEntry> parse_consumer_record(std::int16_t type, Bytes key,
                                            const std::optional<Slice>& value) {
    switch (type) {
        case ConsumerGroupMemberMetadataKey::record_type:
            return parse_as<ConsumerGroupMemberMetadataKey, SubscriptionValue>(
                key, value, subscription_of, [](const auto& k) -> ConsumerChange {
                    return MemberSubscriptionGone{k.member_id};
                });
        case ConsumerGroupMetadataKey::record_type:
            return parse_as<ConsumerGroupMetadataKey, ConsumerGroupMetadataValue>(
                key, value,
                [](const auto&, const auto& v) { return GroupEpoch{v.epoch, v.metadata_hash}; },
                [](const auto&) { return GroupEpochGone{}; });
        case ConsumerGroupPartitionMetadataKey::record_type:
            return parse_as<ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue>(
                key, value, [](const auto&, const auto&) { return OldSubscriptionMetadata{}; },
                [](const auto&) { return OldSubscriptionMetadataGone{}; });
        case ConsumerGroupTargetAssignmentMetadataKey::record_type:
            return parse_as<ConsumerGroupTargetAssignmentMetadataKey,
                            ConsumerGroupTargetAssignmentMetadataValue>(
                key, value,
                [](const auto&, const auto& v) {
                    return TargetEpoch{v.assignment_epoch, v.assignment_timestamp};
                },
                [](const auto&) { return TargetEpochGone{}; });
        case ConsumerGroupTargetAssignmentMemberKey::record_type:
            return parse_as<ConsumerGroupTargetAssignmentMemberKey,
                            ConsumerGroupTargetAssignmentMemberValue>(
                key, value, target_of, [](const auto& k) { return MemberTargetGone{k.member_id}; });
        case ConsumerGroupCurrentMemberAssignmentKey::record_type:
            return parse_as<ConsumerGroupCurrentMemberAssignmentKey, CurrentValue>(
                key, value, current_of,
                [](const auto& k) { return MemberCurrentGone{k.member_id}; });
        default:
            return parse_as<ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue>(
                key, value,
                [](const auto& k, const auto& v) {
                    return RegexEntry{k.regular_expression,
                                      {{v.topics.begin(), v.topics.end()}, v.version, v.timestamp}};
                },
                [](const auto& k) { return RegexGone{k.regular_expression}; });
    }
}

GroupRecord subscription_record(const std::string& group, const ConsumerMember& member) {
    SubscriptionValue value{
        .instance_id = member.instance_id,
        .rack_id = member.rack,
        .client_id = member.client.id,
        .client_host = member.client.host,
        .subscribed_topic_names = {member.topics.begin(), member.topics.end()},
        .subscribed_topic_regex = member.regex,
        .rebalance_timeout_ms = member.rebalance_timeout_ms,
        .server_assignor = member.assignor,
        .classic_member_metadata = std::nullopt,
    };
    if (member.classic) {
        auto& classic = value.classic_member_metadata.emplace();
        classic.session_timeout_ms =
            static_cast<std::int32_t>(member.classic->session_timeout.ms());
        for (const Protocol& protocol : member.classic->protocols) {
            classic.supported_protocols.push_back({protocol.name, protocol.metadata});
        }
    }
    return record_of(ConsumerGroupMemberMetadataKey{group, member.id}, value);
}

GroupRecord subscription_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(ConsumerGroupMemberMetadataKey{group, member_id}), std::nullopt};
}

GroupRecord group_epoch_record(const std::string& group, const GroupEpoch& epoch) {
    return record_of(
        ConsumerGroupMetadataKey{group},
        ConsumerGroupMetadataValue{.epoch = epoch.epoch, .metadata_hash = epoch.metadata_hash});
}

GroupRecord group_epoch_tombstone(const std::string& group) {
    return {encode_key(ConsumerGroupMetadataKey{group}), std::nullopt};
}

GroupRecord old_subscription_metadata_tombstone(const std::string& group) {
    return {encode_key(ConsumerGroupPartitionMetadataKey{group}), std::nullopt};
}

GroupRecord target_epoch_record(const std::string& group, const TargetEpoch& epoch) {
    return record_of(
        ConsumerGroupTargetAssignmentMetadataKey{group},
        ConsumerGroupTargetAssignmentMetadataValue{.assignment_epoch = epoch.epoch,
                                                   .assignment_timestamp = epoch.assigned_at});
}

GroupRecord target_epoch_tombstone(const std::string& group) {
    return {encode_key(ConsumerGroupTargetAssignmentMetadataKey{group}), std::nullopt};
}

GroupRecord target_record(const std::string& group, const std::string& member_id,
                          const Assignment& partitions) {
    ConsumerGroupTargetAssignmentMemberValue value;
    for (const auto& [topic_id, of_topic] : partitions) {
        value.topic_partitions.push_back({.topic_id = topic_id, .partitions = of_topic});
    }
    return record_of(ConsumerGroupTargetAssignmentMemberKey{group, member_id}, value);
}

GroupRecord target_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(ConsumerGroupTargetAssignmentMemberKey{group, member_id}), std::nullopt};
}

GroupRecord current_record(const std::string& group, const ConsumerMember& member) {
    return record_of(ConsumerGroupCurrentMemberAssignmentKey{group, member.id},
                     CurrentValue{
                         .member_epoch = member.epoch,
                         .previous_member_epoch = member.previous_epoch,
                         .state = static_cast<std::int8_t>(member.state),
                         .assigned_partitions = topics_of(member.assigned),
                         .partitions_pending_revocation = topics_of(member.pending_revocation),
                     });
}

GroupRecord current_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(ConsumerGroupCurrentMemberAssignmentKey{group, member_id}), std::nullopt};
}

GroupRecord regex_record(const std::string& group, const std::string& regex,
                         const ResolvedRegex& resolved) {
    return record_of(ConsumerGroupRegularExpressionKey{group, regex},
                     ConsumerGroupRegularExpressionValue{
                         .topics = {resolved.topics.begin(), resolved.topics.end()},
                         .version = resolved.version,
                         .timestamp = resolved.timestamp});
}

GroupRecord regex_tombstone(const std::string& group, const std::string& regex) {
    return {encode_key(ConsumerGroupRegularExpressionKey{group, regex}), std::nullopt};
}

}  // namespace millrace::groups
