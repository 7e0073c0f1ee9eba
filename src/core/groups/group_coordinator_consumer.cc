// Where groups of the consumer protocol and classic ones meet; see group_coordinator.cc.

#include <fmt/core.h>

#include "core/groups/group_coordinator.h"
#include "core/groups/group_records.h"

namespace millrace::groups {
namespace {

using Heartbeat = GroupDecision<ConsumerGroupHeartbeatResponse>;

Error no_consumer_group(const std::string& group_id, bool is_other) {
    return {ErrorCode::group_id_not_found,
            is_other ? fmt::format("Group {} is not a consumer group.", group_id)
                     : fmt::format("Group {} not found.", group_id)};
}

}  // namespace

Heartbeat GroupCoordinator::consumer_heartbeat(const ConsumerGroupHeartbeatRequest& request,
                                               std::int16_t version, const Client& client,
                                               const std::string& new_id, Time now) {
    Result<Heartbeat> decided = decide_heartbeat(request, version, client, new_id, now);
    if (decided) return *std::move(decided);
    Heartbeat refused;
    refused.response.error_code = decided.error().code;
    if (!decided.error().message.empty()) refused.response.error_message = decided.error().message;
    return refused;
}

Result<Heartbeat> GroupCoordinator::decide_heartbeat(const ConsumerGroupHeartbeatRequest& request,
                                                     std::int16_t version, const Client& client,
                                                     const std::string& new_id, Time now) {
    RETURN_IF_ERROR(consumers_.check(request, version));
    const ConsumerGroup* group = consumers_.find(request.group_id);
    const ClassicGroup* classic = find(request.group_id);
    bool joins = request.member_epoch == 0;
    if (request.member_epoch < 0) {
        if (group == nullptr)
            return fail(no_consumer_group(request.group_id, exists(request.group_id)));
        return consumers_.leave(*group, request, moment(now));
    }
    if (group != nullptr) return consumers_.heartbeat(*group, request, client, new_id, moment(now));
    if (is_modern(request.group_id)) return fail(no_consumer_group(request.group_id, true));
    if (!joins) {
        return fail(classic != nullptr
                        ? no_consumer_group(request.group_id, true)
                        : Error{ErrorCode::group_id_not_found,
                                fmt::format("Consumer group {} not found.", request.group_id)});
    }
    std::vector<GroupRecord> before;
    ConsumerGroup made(request.group_id);
    bool ends_classic = classic != nullptr;
    if (classic != nullptr && classic->size() > 0) {
        ASSIGN_OR_RETURN(ConsumerGroups::Upgrade upgrade, consumers_.upgrade(*classic));
        made = std::move(upgrade.group);
        before = std::move(upgrade.records);
    } else if (classic != nullptr) {
        before.push_back(group_tombstone(request.group_id));
    }
    ASSIGN_OR_RETURN(Heartbeat decision,
                     consumers_.heartbeat(made, request, client, new_id, moment(now)));
    before.insert(before.end(), decision.records.begin(), decision.records.end());
    decision.records = std::move(before);
    decision.migration.ends_classic = ends_classic;
    return decision;
}

const ConsumerGroup* GroupCoordinator::consumer_group_with_members(
    const std::string& group_id) const {
    const ConsumerGroup* group = consumers_.find(group_id);
    return group == nullptr || group->members().empty() ? nullptr : group;
}

std::optional<GroupDecision<JoinGroupResponse>> GroupCoordinator::join_consumer_group(
    const JoinGroupRequest& request, std::int16_t version, const Client& client,
    const std::string& new_id, Time now) {
    const ConsumerGroup* group = consumer_group_with_members(request.group_id);
    if (group == nullptr) return std::nullopt;
    auto refusal = [&](ErrorCode code) {
        return GroupDecision<JoinGroupResponse>{
            {.error_code = code, .protocol_name = "", .member_id = request.member_id}, {}, {}};
    };
    Duration session = Duration::milliseconds(request.session_timeout_ms);
    if (session < options_.min_session_timeout || session > options_.max_session_timeout)
        return refusal(ErrorCode::invalid_session_timeout);
    auto decided = consumers_.join(*group, request, version, client, new_id, moment(now));
    if (!decided) return refusal(decided.error().code);
    return *std::move(decided);
}

std::optional<SyncGroupResponse> GroupCoordinator::sync_consumer_group(
    const SyncGroupRequest& request, Time now) {
    const ConsumerGroup* group = consumers_.find(request.group_id);
    if (group == nullptr) return std::nullopt;
    return consumers_.sync(*group, request, now);
}

std::optional<GroupDecision<LeaveGroupResponse>> GroupCoordinator::leave_consumer_group(
    const LeaveGroupRequest& request, std::int16_t version, Time now) {
    const ConsumerGroup* group = consumers_.find(request.group_id);
    if (group == nullptr) return std::nullopt;
    if (version >= 3) return consumers_.leave(*group, request, moment(now));
    LeaveGroupRequest one{.group_id = request.group_id};
    one.members.push_back({.member_id = request.member_id});
    auto decision = consumers_.leave(*group, one, moment(now));
    decision.response.error_code = decision.response.members.front().error_code;
    decision.response.members.clear();
    return decision;
}

bool GroupCoordinator::needs_room_for_classic(const std::string& group_id) const {
    return !make_room_for_classic(group_id).empty();
}

std::vector<GroupRecord> GroupCoordinator::make_room_for_classic(
    const std::string& group_id) const {
    std::vector<GroupRecord> records;
    add_tombstones_if_empty(group_id, records);
    return records;
}

std::optional<ConsumerGroups::Due> GroupCoordinator::next_due(Time now) {
    if (auto resolved = consumers_.next_resolved(moment(now))) return resolved;
    return consumers_.next_expired(moment(now));
}

void GroupCoordinator::conclude(const std::string& group_id, Migration migration, Time now,
                                Effects& effects) {
    if (migration.ends_classic) {
        if (ClassicGroup* classic = find(group_id)) {
            Actions actions;
            classic->end(ErrorCode::rebalance_in_progress, actions);
            take(*classic, std::move(actions), effects);
            groups_.erase(group_id);
            std::erase_if(appends_,
                          [&](const auto& entry) { return entry.second.group_id == group_id; });
        }
        consumers_.upgraded(group_id, now);
    }
    if (migration.to_classic) {
        ClassicGroup& classic = *(groups_[group_id] = std::move(migration.to_classic));
        if (!migration.rebalance) return;
        Actions actions;
        classic.rebalance(now, actions);
        take(classic, std::move(actions), effects);
    }
}

ConsumerGroupDescribeResponse::DescribedGroup GroupCoordinator::describe_consumer(
    const std::string& group_id) const {
    if (const ConsumerGroup* group = consumers_.find(group_id)) return consumers_.describe(*group);
    Error error = no_consumer_group(group_id, exists(group_id));
    ConsumerGroupDescribeResponse::DescribedGroup told;
    told.group_id = group_id;
    told.error_code = error.code;
    told.error_message = error.message;
    return told;
}

Result<> GroupCoordinator::check_fetch(const std::string& group_id,
                                       const std::optional<std::string>& member_id,
                                       std::int32_t epoch) const {
    if (shares_.find(group_id) != nullptr) return fail(no_consumer_group(group_id, true));
    if (const StreamsGroup* streams = streams_.find(group_id))
        return StreamsGroups::check_fetch(*streams, member_id, epoch);
    const ConsumerGroup* group = consumers_.find(group_id);
    return group == nullptr ? Result<>() : consumers_.check_fetch(*group, member_id, epoch);
}

}  // namespace millrace::groups
