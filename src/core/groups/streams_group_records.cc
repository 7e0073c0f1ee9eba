#include "core/groups/streams_group_records.h"

#include "core/coordinator/record_codec.h"
#include "protocol/streams_group_current_member_assignment.h"
#include "protocol/streams_group_member_metadata.h"
#include "protocol/streams_group_metadata.h"
#include "protocol/streams_group_target_assignment_member.h"
#include "protocol/streams_group_target_assignment_metadata.h"

namespace millrace::groups {
namespace {

using coordinator::encode_key;
using CurrentValue = StreamsGroupCurrentMemberAssignmentValue;
using TargetValue = StreamsGroupTargetAssignmentMemberValue;

template <typename Key, typename Value>
GroupRecord record_of(const Key& key, const Value& value) {
    return {encode_key(key), coordinator::encode_value(value, 0)};
}

// What `make(key, value)` gives, or `gone(key)` for a tombstone.
template <typename Key, typename Value, typename Make, typename Gone>
Result<StreamsEntry> parse_as(Bytes bytes, const std::optional<Slice>& value, Make make,
                              Gone gone) {
    Reader reader(bytes);
    ASSIGN_OR_RETURN(Key key, Key::decode(reader, 0));
    if (!value) return StreamsEntry{key.group_id, gone(key)};
    ASSIGN_OR_RETURN(Value decoded, coordinator::decode_value<Value>(value->bytes()));
    return StreamsEntry{key.group_id, make(key, std::move(decoded))};
}

template <typename TaskIds>
Tasks tasks_of(const std::vector<TaskIds>& told) {
    Tasks tasks;
    for (const TaskIds& each : told)
        tasks[each.subtopology_id] = {each.partitions.begin(), each.partitions.end()};
    return tasks;
}

// Tasks that an older version wrote without epochs have the member's.
EpochTasks epoch_tasks_of(const std::vector<CurrentValue::TaskIds>& told,
                          std::int32_t member_epoch) {
    EpochTasks tasks;
    for (const auto& each : told) {
        auto& partitions = tasks[each.subtopology_id];
        bool has_epochs =
            each.assignment_epochs && each.assignment_epochs->size() == each.partitions.size();
        for (std::size_t i = 0; i < each.partitions.size(); ++i)
            partitions[each.partitions[i]] =
                has_epochs ? (*each.assignment_epochs)[i] : member_epoch;
    }
    return tasks;
}

template <typename TaskIds>
std::vector<TaskIds> told_of(const Tasks& tasks) {
    std::vector<TaskIds> told;
    for (const auto& [subtopology, partitions] : tasks) {
        TaskIds& each = told.emplace_back();
        each.subtopology_id = subtopology;
        each.partitions = {partitions.begin(), partitions.end()};
    }
    return told;
}

std::vector<CurrentValue::TaskIds> told_of(const EpochTasks& tasks) {
    std::vector<CurrentValue::TaskIds> told;
    for (const auto& [subtopology, partitions] : tasks) {
        auto& each = told.emplace_back();
        each.subtopology_id = subtopology;
        each.assignment_epochs.emplace();
        for (const auto& [partition, epoch] : partitions) {
            each.partitions.push_back(partition);
            each.assignment_epochs->push_back(epoch);
        }
    }
    return told;
}

StreamsMemberState state_of(std::int8_t number) {
    bool known = number >= static_cast<std::int8_t>(StreamsMemberState::stable) &&
                 number <= static_cast<std::int8_t>(StreamsMemberState::unreleased_tasks);
    return known ? static_cast<StreamsMemberState>(number) : StreamsMemberState::unknown;
}

StreamsChange metadata_of(const StreamsGroupMemberMetadataKey& key,
                          const StreamsGroupMemberMetadataValue& value) {
    StreamsMember member{.id = key.member_id,
                         .instance_id = value.instance_id,
                         .rack = value.rack_id,
                         .client = {value.client_id, value.client_host},
                         .rebalance_timeout_ms = value.rebalance_timeout_ms,
                         .topology_epoch = value.topology_epoch,
                         .process_id = value.process_id};
    if (value.user_endpoint)
        member.endpoint = StreamsEndpoint{value.user_endpoint->host, value.user_endpoint->port};
    for (const auto& tag : value.client_tags) member.tags[tag.key] = tag.value;
    return StreamsMetadata{std::move(member)};
}

StreamsChange epoch_of(const StreamsGroupMetadataKey&, const StreamsGroupMetadataValue& value) {
    StreamsEpoch epoch{.epoch = value.epoch,
                       .metadata_hash = value.metadata_hash,
                       .validated_topology_epoch = value.validated_topology_epoch};
    if (value.last_assignment_configs) {
        for (const auto& each : *value.last_assignment_configs)
            epoch.assignment_configs[each.key] = each.value;
    }
    return epoch;
}

StreamsChange current_of(const StreamsGroupCurrentMemberAssignmentKey& key,
                         const CurrentValue& value) {
    StreamsMember member{.id = key.member_id};
    member.epoch = value.member_epoch;
    member.previous_epoch = value.previous_member_epoch;
    member.state = state_of(value.state);
    member.assigned = {epoch_tasks_of(value.active_tasks, value.member_epoch),
                       tasks_of(value.standby_tasks), tasks_of(value.warmup_tasks)};
    member.pending_revocation = {
        epoch_tasks_of(value.active_tasks_pending_revocation, value.member_epoch),
        tasks_of(value.standby_tasks_pending_revocation),
        tasks_of(value.warmup_tasks_pending_revocation)};
    return StreamsCurrent{std::move(member)};
}

}  // namespace

bool is_streams_record(std::int16_t type) { return type >= 17 && type <= 23 && type != 18; }

Result<StreamsEntry> parse_streams_record(std::int16_t type, Bytes key,
                                          const std::optional<Slice>& value) {
    switch (type) {
        case StreamsGroupMemberMetadataKey::record_type:
            return parse_as<StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue>(
                key, value, metadata_of,
                [](const auto& k) { return MemberSubscriptionGone{k.member_id}; });
        case StreamsGroupMetadataKey::record_type:
            return parse_as<StreamsGroupMetadataKey, StreamsGroupMetadataValue>(
                key, value, epoch_of, [](const auto&) { return GroupEpochGone{}; });
        case StreamsGroupTargetAssignmentMetadataKey::record_type:
            return parse_as<StreamsGroupTargetAssignmentMetadataKey,
                            StreamsGroupTargetAssignmentMetadataValue>(
                key, value,
                [](const auto&, const auto& v) {
                    return TargetEpoch{v.assignment_epoch, v.assignment_timestamp};
                },
                [](const auto&) { return TargetEpochGone{}; });
        case StreamsGroupTargetAssignmentMemberKey::record_type:
            return parse_as<StreamsGroupTargetAssignmentMemberKey, TargetValue>(
                key, value,
                [](const auto& k, const auto& v) {
                    return StreamsTarget{k.member_id,
                                         {tasks_of(v.active_tasks), tasks_of(v.standby_tasks),
                                          tasks_of(v.warmup_tasks)}};
                },
                [](const auto& k) { return MemberTargetGone{k.member_id}; });
        case StreamsGroupCurrentMemberAssignmentKey::record_type:
            return parse_as<StreamsGroupCurrentMemberAssignmentKey, CurrentValue>(
                key, value, current_of,
                [](const auto& k) { return MemberCurrentGone{k.member_id}; });
        default:
            return parse_as<StreamsGroupTopologyKey, StreamsTopology>(
                key, value, [](const auto&, StreamsTopology v) { return v; },
                [](const auto&) { return StreamsTopologyGone{}; });
    }
}

GroupRecord streams_member_record(const std::string& group, const StreamsMember& member) {
    StreamsGroupMemberMetadataValue value{.instance_id = member.instance_id,
                                          .rack_id = member.rack,
                                          .client_id = member.client.id,
                                          .client_host = member.client.host,
                                          .rebalance_timeout_ms = member.rebalance_timeout_ms,
                                          .topology_epoch = member.topology_epoch,
                                          .process_id = member.process_id};
    if (member.endpoint) {
        value.user_endpoint.emplace();
        value.user_endpoint->host = member.endpoint->host;
        value.user_endpoint->port = member.endpoint->port;
    }
    for (const auto& [key, tag] : member.tags) value.client_tags.push_back({key, tag});
    return record_of(StreamsGroupMemberMetadataKey{group, member.id}, value);
}

GroupRecord streams_member_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(StreamsGroupMemberMetadataKey{group, member_id}), std::nullopt};
}

GroupRecord streams_epoch_record(const std::string& group, const StreamsEpoch& epoch) {
    StreamsGroupMetadataValue value{.epoch = epoch.epoch,
                                    .metadata_hash = epoch.metadata_hash,
                                    .validated_topology_epoch = epoch.validated_topology_epoch};
    value.last_assignment_configs.emplace();
    for (const auto& [key, each] : epoch.assignment_configs)
        value.last_assignment_configs->push_back({key, each});
    return record_of(StreamsGroupMetadataKey{group}, value);
}

GroupRecord streams_epoch_tombstone(const std::string& group) {
    return {encode_key(StreamsGroupMetadataKey{group}), std::nullopt};
}

GroupRecord streams_target_epoch_record(const std::string& group, const TargetEpoch& epoch) {
    return record_of(StreamsGroupTargetAssignmentMetadataKey{group},
                     StreamsGroupTargetAssignmentMetadataValue{epoch.epoch, epoch.assigned_at});
}

GroupRecord streams_target_epoch_tombstone(const std::string& group) {
    return {encode_key(StreamsGroupTargetAssignmentMetadataKey{group}), std::nullopt};
}

GroupRecord streams_target_record(const std::string& group, const std::string& member_id,
                                  const TaskAssignment& tasks) {
    return record_of(StreamsGroupTargetAssignmentMemberKey{group, member_id},
                     TargetValue{told_of<TargetValue::TaskIds>(tasks.active),
                                 told_of<TargetValue::TaskIds>(tasks.standby),
                                 told_of<TargetValue::TaskIds>(tasks.warmup)});
}

GroupRecord streams_target_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(StreamsGroupTargetAssignmentMemberKey{group, member_id}), std::nullopt};
}

GroupRecord streams_current_record(const std::string& group, const StreamsMember& member) {
    using Told = CurrentValue::TaskIds;
    const AssignedTasks& has = member.assigned;
    const AssignedTasks& gives_back = member.pending_revocation;
    return record_of(
        StreamsGroupCurrentMemberAssignmentKey{group, member.id},
        CurrentValue{.member_epoch = member.epoch,
                     .previous_member_epoch = member.previous_epoch,
                     .state = static_cast<std::int8_t>(member.state),
                     .active_tasks = told_of(has.active),
                     .standby_tasks = told_of<Told>(has.standby),
                     .warmup_tasks = told_of<Told>(has.warmup),
                     .active_tasks_pending_revocation = told_of(gives_back.active),
                     .standby_tasks_pending_revocation = told_of<Told>(gives_back.standby),
                     .warmup_tasks_pending_revocation = told_of<Told>(gives_back.warmup)});
}

GroupRecord streams_current_tombstone(const std::string& group, const std::string& member_id) {
    return {encode_key(StreamsGroupCurrentMemberAssignmentKey{group, member_id}), std::nullopt};
}

GroupRecord streams_topology_record(const std::string& group, const StreamsTopology& topology) {
    return record_of(StreamsGroupTopologyKey{group}, topology);
}

GroupRecord streams_topology_tombstone(const std::string& group) {
    return {encode_key(StreamsGroupTopologyKey{group}), std::nullopt};
}

}  // namespace millrace::groups
