// Groups that go from one protocol to the other while they have members, and members of the
// classic protocol in a consumer group meanwhile (KIP-848).

#include <algorithm>
#include <fmt/core.h>

#include "core/groups/consumer_groups.h"
#include "core/groups/group_records.h"
#include "core/groups/subscription.h"

namespace millrace::groups {
namespace {

const std::optional<std::string> consumer_protocol = "consumer";

bool requires_known_id(const JoinGroupRequest& request, std::int16_t version) {
    return !request.group_instance_id && request.member_id.empty() && version >= 4;
}

ErrorCode check_classic(const ConsumerGroup& group, const std::string& member_id,
                        const std::optional<std::string>& instance_id) {
    const ConsumerMember* member =
        instance_id ? group.find_static(instance_id) : group.find(member_id);
    if (member == nullptr) return ErrorCode::unknown_member_id;
    if (member->id != member_id) return ErrorCode::fenced_instance_id;
    return member->classic ? ErrorCode::none : ErrorCode::unknown_member_id;
}

ClassicMetadata classic_of(const JoinGroupRequest& request) {
    ClassicMetadata classic{.session_timeout = Duration::milliseconds(request.session_timeout_ms)};
    for (const auto& protocol : request.protocols) {
        classic.protocols.push_back({protocol.name, Slice::copy(protocol.metadata.bytes())});
    }
    return classic;
}

Member classic_member_of(const ConsumerMember& member) {
    return {.id = member.id,
            .instance_id = member.instance_id,
            .client = member.client,
            .rebalance_timeout = Duration::milliseconds(member.rebalance_timeout_ms),
            .session_timeout = member.classic->session_timeout,
            .protocols = member.classic->protocols};
}

Assignment partitions_of(const EpochAssignment& assigned) {
    Assignment partitions;
    for (const auto& [topic, of_topic] : assigned) {
        for (const auto& [partition, epoch] : of_topic) partitions[topic].push_back(partition);
    }
    return partitions;
}

Error cannot_upgrade(const ClassicGroup& group, std::string_view why) {
    return {ErrorCode::group_id_not_found,
            fmt::format("Cannot upgrade classic group {} to consumer group because {}.", group.id(),
                        why)};
}

}  // namespace

// Classic members of a consumer group ----------------------------------------------------------

Result<GroupDecision<JoinGroupResponse>> ConsumerGroups::join(
    const ConsumerGroup& group, const JoinGroupRequest& request, std::int16_t version,
    const Client& client, const std::string& new_id, Moment now) {
    if (options_.consumer.migration == MigrationPolicy::disabled)
        return fail(ErrorCode::inconsistent_group_protocol);
    const std::string& member_id = request.member_id.empty() ? new_id : request.member_id;
    RETURN_IF_ERROR(check_size(group, member_id));
    std::vector<std::string> names;
    for (const auto& protocol : request.protocols) names.push_back(protocol.name);
    if (!group.supports(request.protocol_type, names))
        return fail(ErrorCode::inconsistent_group_protocol);

    GroupDecision<JoinGroupResponse> decision;
    if (requires_known_id(request, version)) {
        decision.response = {.error_code = ErrorCode::member_id_required,
                             .protocol_name = "",
                             .member_id = member_id};
        return decision;
    }
    std::optional<ConsumerProtocolSubscription> subscription =
        read_subscription(request.protocols.front().metadata.bytes());
    if (!subscription) return fail(ErrorCode::unknown_server_error);
    const ConsumerMember* holder = group.find_static(request.group_instance_id);
    bool downgrades = holder != nullptr && may_downgrade(group, {holder}, true);
    ASSIGN_OR_RETURN(ConsumerMember seated,
                     seat_classic(group, request, member_id, decision.records));

    Draft draft{.group = group,
                .before = seated,
                .now = seated,
                .records = decision.records,
                .moment = now};
    ConsumerMember& member = draft.now;
    if (request.group_instance_id) member.instance_id = request.group_instance_id;
    if (subscription->rack_id && !subscription->rack_id->empty())
        member.rack = subscription->rack_id;
    if (request.rebalance_timeout_ms != -1)
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    member.topics = {subscription->topics.begin(), subscription->topics.end()};
    member.regex = "";
    member.client = client;
    member.classic = classic_of(request);

    RETURN_IF_ERROR(update_group(draft));
    Owned owned = owned_of(*subscription, *image_);
    if (downgrades) {
        bool stale = draft.group_epoch > group.target_epoch().epoch;
        if (!stale) {
            RETURN_IF_ERROR(reconcile_member(
                draft, {group.target_epoch().epoch, group.target_of(member)}, owned));
        }
        downgrade(group, {}, &member, stale, now, decision.records, decision.migration);
    } else {
        Target target = update_target(draft);
        RETURN_IF_ERROR(reconcile_member(draft, target, owned));
        Deadlines& due = deadlines(group.id(), member.id);
        due.join = Time::never();
        due.session = now.time + member.classic->session_timeout;
        due.sync = now.time + Duration::milliseconds(member.rebalance_timeout_ms);
        wake_by(due.first());
    }
    decision.response = {.generation_id = member.epoch,
                         .protocol_type = consumer_protocol,
                         .protocol_name = member.classic->protocols.front().name,
                         .member_id = member.id};
    return decision;
}

SyncGroupResponse ConsumerGroups::sync(const ConsumerGroup& group, const SyncGroupRequest& request,
                                       Time now) {
    ErrorCode error = check_classic(group, request.member_id, request.group_instance_id);
    if (error != ErrorCode::none) return {.error_code = error};
    const ConsumerMember& member = *group.find(request.member_id);
    if (member.epoch != request.generation_id) return {.error_code = ErrorCode::illegal_generation};
    const Protocol& protocol = member.classic->protocols.front();
    if ((request.protocol_type && request.protocol_type != consumer_protocol) ||
        (request.protocol_name && *request.protocol_name != protocol.name)) {
        return {.error_code = ErrorCode::inconsistent_group_protocol};
    }
    Deadlines& due = deadlines(group.id(), member.id);
    if (group.target_epoch().epoch > member.epoch &&
        member.state != MemberState::unrevoked_partitions) {
        if (due.join == Time::never()) {
            due.join = now + Duration::milliseconds(member.rebalance_timeout_ms);
            wake_by(due.join);
        }
        return {.error_code = ErrorCode::rebalance_in_progress};
    }
    due.sync = Time::never();
    set_session(group.id(), member.id, now + member.classic->session_timeout);
    return {.protocol_type = request.protocol_type,
            .protocol_name = request.protocol_name,
            .assignment = write_assignment(partitions_of(member.assigned),
                                           protocol.metadata.bytes(), *image_)};
}

ErrorCode ConsumerGroups::heartbeat(const ConsumerGroup& group, const HeartbeatRequest& request,
                                    Time now) {
    ErrorCode error = check_classic(group, request.member_id, request.group_instance_id);
    if (error != ErrorCode::none) return error;
    const ConsumerMember& member = *group.find(request.member_id);
    if (member.epoch != request.generation_id) return ErrorCode::illegal_generation;
    set_session(group.id(), member.id, now + member.classic->session_timeout);
    // It joins again to learn of a new target, to give partitions back, to get what others have
    // given back; and where none else is there for it, to have the next target computed.
    bool joins_again = group.target_epoch().epoch > member.epoch ||
                       member.state == MemberState::unrevoked_partitions ||
                       (member.state == MemberState::unreleased_partitions &&
                        !group.waits_for_partitions(member)) ||
                       (group.epoch().epoch > group.target_epoch().epoch &&
                        group.classic_members() == group.size());
    if (!joins_again) return ErrorCode::none;
    Deadlines& due = deadlines(group.id(), member.id);
    if (due.join == Time::never()) {
        due.join = now + Duration::milliseconds(member.rebalance_timeout_ms);
        wake_by(due.join);
    }
    return ErrorCode::rebalance_in_progress;
}

GroupDecision<LeaveGroupResponse> ConsumerGroups::leave(const ConsumerGroup& group,
                                                        const LeaveGroupRequest& request,
                                                        Moment now) {
    GroupDecision<LeaveGroupResponse> decision;
    std::vector<const ConsumerMember*> leaving;
    for (const auto& identity : request.members) {
        const ConsumerMember* member = identity.group_instance_id
                                           ? group.find_static(identity.group_instance_id)
                                           : group.find(identity.member_id);
        ErrorCode error = ErrorCode::none;
        if (member == nullptr) {
            error = ErrorCode::unknown_member_id;
        } else if (identity.group_instance_id && !identity.member_id.empty() &&
                   identity.member_id != member->id) {
            error = ErrorCode::fenced_instance_id;
        } else if (std::ranges::find(leaving, member) == leaving.end()) {
            leaving.push_back(member);
        }
        decision.response.members.push_back({.member_id = identity.member_id,
                                             .group_instance_id = identity.group_instance_id,
                                             .error_code = error});
    }
    fence(group, leaving, now, decision.records, decision.migration);
    return decision;
}

// From classic to consumer ---------------------------------------------------------------------

Result<ConsumerGroups::Upgrade> ConsumerGroups::upgrade(const ClassicGroup& classic) {
    MigrationPolicy policy = options_.consumer.migration;
    if (policy != MigrationPolicy::upgrade && policy != MigrationPolicy::bidirectional)
        return fail(cannot_upgrade(classic, "online upgrade is disabled"));
    if (classic.protocol_type() != consumer_protocol) {
        return fail(
            cannot_upgrade(classic, "the group does not use the consumer embedded protocol"));
    }
    if (classic.size() > options_.consumer.max_size) {
        return fail(
            cannot_upgrade(classic, "the group size exceeds the consumer group maximum size"));
    }
    Upgrade upgrade{ConsumerGroup(classic.id()), {group_tombstone(classic.id())}};
    ConsumerGroup& group = upgrade.group;
    std::string chosen = classic.protocol().value_or("");
    for (const auto& [id, member] : classic.members()) {
        const Protocol* protocol = member.find(chosen);
        if (protocol == nullptr && !member.protocols.empty()) protocol = &member.protocols.front();
        auto subscription =
            protocol == nullptr ? std::nullopt : read_subscription(protocol->metadata.bytes());
        auto assignment = read_assignment(member.assignment.bytes());
        if (!subscription || (!assignment && !member.assignment.empty())) {
            return fail(cannot_upgrade(classic, "the embedded consumer protocol is malformed"));
        }
        if (assignment && assignment->user_data && !assignment->user_data->empty()) {
            return fail(cannot_upgrade(classic, "an unsupported custom assignor is in use"));
        }
        Assignment partitions = assignment ? by_id(*assignment, *image_) : Assignment();
        ConsumerMember next{
            .id = id,
            .instance_id = member.instance_id,
            .client = member.client,
            .rebalance_timeout_ms = static_cast<std::int32_t>(member.rebalance_timeout.ms()),
            .topics = {subscription->topics.begin(), subscription->topics.end()},
            .classic = ClassicMetadata{member.session_timeout, member.protocols},
            .epoch = classic.generation(),
            .previous_epoch = classic.generation(),
        };
        if (subscription->rack_id && !subscription->rack_id->empty())
            next.rack = subscription->rack_id;
        for (const auto& [topic, of_topic] : partitions) {
            for (std::int32_t partition : of_topic)
                next.assigned[topic][partition] = classic.generation();
        }
        group.apply(MemberTarget{id, std::move(partitions)});
        group.apply(MemberSubscription{next});
        group.apply(MemberCurrent{std::move(next)});
    }
    group.apply(GroupEpoch{classic.generation(), hashes_.of(group.topics(), *image_)});
    group.apply(TargetEpoch{.epoch = classic.generation()});

    std::vector<GroupRecord>& records = upgrade.records;
    for (const auto& [id, member] : group.members())
        records.push_back(subscription_record(group.id(), member));
    records.push_back(group_epoch_record(group.id(), group.epoch()));
    for (const auto& [id, member] : group.members())
        records.push_back(target_record(group.id(), id, group.target_of(id)));
    records.push_back(target_epoch_record(group.id(), group.target_epoch()));
    for (const auto& [id, member] : group.members())
        records.push_back(current_record(group.id(), member));
    return upgrade;
}

void ConsumerGroups::upgraded(const std::string& group_id, Time now) {
    const ConsumerGroup* group = find(group_id);
    if (group == nullptr) return;
    for (const auto& [id, member] : group->members()) {
        if (member.classic) set_session(group_id, id, now + member.classic->session_timeout);
    }
}

// From consumer to classic ---------------------------------------------------------------------

// When those are gone all members are of the classic protocol; `replaced`: another comes instead.
bool ConsumerGroups::may_downgrade(const ConsumerGroup& group,
                                   const std::vector<const ConsumerMember*>& without,
                                   bool replaced) const {
    std::size_t classic_gone = static_cast<std::size_t>(std::ranges::count_if(
        without, [](const ConsumerMember* member) { return member->classic.has_value(); }));
    std::size_t left = group.size() - without.size();
    if (group.classic_members() - classic_gone != left) return false;
    if (replaced && classic_gone > 0) return false;
    if (!replaced && (left == 0 || classic_gone == without.size())) return false;
    MigrationPolicy policy = options_.consumer.migration;
    if (policy != MigrationPolicy::downgrade && policy != MigrationPolicy::bidirectional)
        return false;
    return left + (replaced ? 1 : 0) <= options_.max_size;
}

void ConsumerGroups::downgrade(const ConsumerGroup& group,
                               const std::vector<const ConsumerMember*>& leaving,
                               const ConsumerMember* joining, bool rebalance, Moment now,
                               std::vector<GroupRecord>& records, Migration& migration) const {
    const ConsumerMember* replaced =
        joining == nullptr ? nullptr : group.find_static(joining->instance_id);
    std::vector<Member> members;
    std::map<std::string, const Assignment*> targets;
    for (const std::string& id : group.member_order()) {
        const ConsumerMember* member = group.find(id);
        if (member == replaced || std::ranges::find(leaving, member) != leaving.end()) continue;
        members.push_back(classic_member_of(*member));
        targets[id] = &group.target_of(id);
    }
    if (joining != nullptr) {
        members.push_back(classic_member_of(*joining));
        targets[joining->id] = &group.target_of(replaced == nullptr ? joining->id : replaced->id);
    }
    add_tombstones(group, replaced, joining, records);
    auto classic = ClassicGroup::adopt(group.id(), options_, group.epoch().epoch,
                                       std::move(members), now.time);
    for (const auto& [id, target] : targets) {
        const Protocol* protocol = classic->members().at(id).find(*classic->protocol());
        Bytes subscription = protocol == nullptr ? Bytes() : protocol->metadata.bytes();
        classic->set_assignment(id, write_assignment(*target, subscription, *image_));
    }
    GroupMetadataValue value = classic->value();
    value.current_state_timestamp = now.wall_ms;
    records.push_back(group_record(group.id(), value));
    migration.to_classic = std::move(classic);
    migration.rebalance = rebalance;
}

}  // namespace millrace::groups
