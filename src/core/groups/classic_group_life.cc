// Sessions, leaving, time, and what others are told of a group; see classic_group.cc for joins.

#include <algorithm>

#include "core/groups/classic_group.h"
#include "core/groups/subscription.h"

namespace millrace::groups {

ErrorCode ClassicGroup::check_member(std::string_view member_id,
                                     const std::optional<std::string>& instance_id) const {
    if (instance_id) {
        auto held = static_members_.find(*instance_id);
        if (held == static_members_.end()) return ErrorCode::unknown_member_id;
        if (held->second != member_id) return ErrorCode::fenced_instance_id;
    }
    bool known = members_.contains(std::string(member_id));
    return known ? ErrorCode::none : ErrorCode::unknown_member_id;
}

bool ClassicGroup::protocol_differs(const std::optional<std::string>& type,
                                    const std::optional<std::string>& name) const {
    return (type && protocol_type_ && type != protocol_type_) ||
           (name && protocol_ && name != protocol_);
}

// group.max.size. While a rebalance is prepared those that have come count, not those that were
// there before it.
bool ClassicGroup::accepts(const JoinGroupRequest& request) const {
    if (request.group_instance_id && static_members_.contains(*request.group_instance_id))
        return true;
    auto known = members_.find(request.member_id);
    switch (state_) {
        case GroupState::empty:
        case GroupState::dead:
            return true;
        case GroupState::preparing_rebalance: {
            if (known != members_.end() && known->second.join_ticket != 0) return true;
            if (members_.size() < options_.max_size) return true;
            auto waiting = std::ranges::count_if(
                members_, [](const auto& entry) { return entry.second.join_ticket != 0; });
            return static_cast<std::size_t>(waiting) < options_.max_size;
        }
        default:
            return known != members_.end() || members_.size() < options_.max_size;
    }
}

void ClassicGroup::alive(Member& member, Time now) {
    member.session_deadline = now + member.session_timeout;
    wake_by(member.session_deadline);
}

ErrorCode ClassicGroup::heartbeat(const HeartbeatRequest& request, Time now) {
    if (state_ == GroupState::dead) return ErrorCode::coordinator_not_available;
    ErrorCode error = check_member(request.member_id, request.group_instance_id);
    if (error != ErrorCode::none) return error;
    if (request.generation_id != generation_) return ErrorCode::illegal_generation;
    if (state_ == GroupState::empty) return ErrorCode::unknown_member_id;
    alive(members_.at(request.member_id), now);
    return state_ == GroupState::preparing_rebalance ? ErrorCode::rebalance_in_progress
                                                     : ErrorCode::none;
}

ErrorCode ClassicGroup::check_commit(std::string_view member_id,
                                     const std::optional<std::string>& instance_id,
                                     std::int32_t generation, Time now) {
    if (generation < 0 && state_ == GroupState::empty) return ErrorCode::none;
    if (generation >= 0 || !member_id.empty() || instance_id) {
        ErrorCode error = check_member(member_id, instance_id);
        if (error != ErrorCode::none) return error;
        if (generation != generation_) return ErrorCode::illegal_generation;
    } else {
        return ErrorCode::unknown_member_id;  // a stranger's commit into a group with members
    }
    if (state_ == GroupState::completing_rebalance) return ErrorCode::rebalance_in_progress;
    alive(members_.at(std::string(member_id)), now);
    return ErrorCode::none;
}

ErrorCode ClassicGroup::check_transactional_commit(std::string_view member_id,
                                                   const std::optional<std::string>& instance_id,
                                                   std::int32_t generation) {
    if (generation < 0 && member_id.empty() && !instance_id) return ErrorCode::none;
    if (generation < 0 && state_ == GroupState::empty) return ErrorCode::none;
    ErrorCode error = check_member(member_id, instance_id);
    if (error != ErrorCode::none) return error;
    return generation == generation_ ? ErrorCode::none : ErrorCode::illegal_generation;
}

LeaveGroupResponse ClassicGroup::leave(const LeaveGroupRequest& request, std::int16_t version,
                                       Time now, Actions& actions) {
    LeaveGroupResponse response;
    std::vector<LeaveGroupRequest::MemberIdentity> leaving = request.members;
    if (version < 3) leaving = {{.member_id = request.member_id}};
    bool removed = false;
    for (const auto& identity : leaving) {
        ErrorCode error = ErrorCode::none;
        std::string member_id = identity.member_id;
        if (identity.group_instance_id && member_id.empty()) {  // an administrator removes it
            auto held = static_members_.find(*identity.group_instance_id);
            if (held == static_members_.end()) {
                error = ErrorCode::unknown_member_id;
            } else {
                member_id = held->second;
            }
        } else if (pending_.erase(member_id) > 0) {
            removed = true;
            member_id.clear();
        } else {
            error = check_member(member_id, identity.group_instance_id);
        }
        if (error == ErrorCode::none && !member_id.empty()) {
            remove_member(member_id, actions);
            removed = true;
        }
        response.members.push_back({.member_id = identity.member_id,
                                    .group_instance_id = identity.group_instance_id,
                                    .error_code = error});
    }
    if (version < 3) {
        response.error_code = response.members.front().error_code;
        response.members.clear();
    }
    if (removed) after_removal(now, actions);
    return response;
}

void ClassicGroup::tick(Time now, Actions& actions) {
    if (now < wake_at_) return;
    if (state_ == GroupState::preparing_rebalance && now >= rebalance_deadline_) {
        Time latest = rebalance_started_ + longest_rebalance_timeout();
        if (initial_join_ && joined_since_delay_ && now < latest) {
            // More members came: give others the chance, too.
            joined_since_delay_ = false;
            rebalance_deadline_ = std::min(latest, now + options_.initial_rebalance_delay);
        } else {
            complete_join(now, actions);
        }
    }
    if (now >= sync_deadline_) expire_unsynced(now, actions);
    expire_members(now, actions);

    wake_at_ = std::min(rebalance_deadline_, sync_deadline_);
    for (const auto& [id, until] : pending_) wake_by(until);
    for (const auto& [id, member] : members_) {
        // A member whose request is held cannot heartbeat; it is looked at again when due.
        wake_by(std::max(member.session_deadline, now + Duration::milliseconds(1)));
    }
}

void ClassicGroup::expire_unsynced(Time now, Actions& actions) {
    sync_deadline_ = Time::never();
    if (state_ != GroupState::completing_rebalance && state_ != GroupState::stable) return;
    std::set<std::string> gone = std::exchange(unsynced_, {});
    if (gone.empty()) return;
    for (const std::string& id : gone) remove_member(id, actions);
    prepare_rebalance(now, actions);
}

void ClassicGroup::expire_members(Time now, Actions& actions) {
    bool removed =
        std::erase_if(pending_, [&](const auto& entry) { return entry.second <= now; }) > 0;
    std::vector<std::string> gone;
    for (auto& [id, member] : members_) {
        if (member.session_deadline > now) continue;
        bool new_and_held = member.join_ticket != 0;
        if (member.waits()) {
            member.session_deadline =
                now + (new_and_held ? Duration::seconds(300) : member.session_timeout);
            continue;
        }
        gone.push_back(id);
    }
    for (const std::string& id : gone) remove_member(id, actions);
    if (removed || !gone.empty()) after_removal(now, actions);
}

JoinGroupResponse ClassicGroup::current_generation(const Member& member, bool with_members) const {
    JoinGroupResponse response{
        .generation_id = generation_,
        .protocol_type = protocol_type_,
        .protocol_name = protocol_,
        .leader = leader_.value_or(""),
        .member_id = member.id,
    };
    if (!with_members) return response;
    for (const auto& [id, each] : members_) {
        const Protocol* chosen = protocol_ ? each.find(*protocol_) : nullptr;
        response.members.push_back({.member_id = id,
                                    .group_instance_id = each.instance_id,
                                    .metadata = chosen != nullptr ? chosen->metadata : Slice()});
    }
    return response;
}

GroupMetadataValue ClassicGroup::value_with(const std::map<std::string, Slice>* assignments) const {
    GroupMetadataValue value{
        .protocol_type = protocol_type_.value_or(""),
        .generation = generation_,
        .protocol = protocol_,
        .leader = leader_,
    };
    for (const auto& [id, member] : members_) {
        const Protocol* chosen = protocol_ ? member.find(*protocol_) : nullptr;
        GroupMetadataValue::MemberMetadata& entry = value.members.emplace_back();
        entry.member_id = id;
        entry.group_instance_id = member.instance_id;
        entry.client_id = member.client.id;
        entry.client_host = member.client.host;
        entry.rebalance_timeout = static_cast<std::int32_t>(member.rebalance_timeout.ms());
        entry.session_timeout = static_cast<std::int32_t>(member.session_timeout.ms());
        if (chosen != nullptr) entry.subscription = chosen->metadata;
        entry.assignment = assignments != nullptr ? assignments->at(id) : member.assignment;
    }
    return value;
}

void ClassicGroup::restore(const GroupMetadataValue& value, std::optional<Time> since, Time now) {
    generation_ = value.generation;
    protocol_type_ = value.protocol_type;
    protocol_ = value.protocol;
    leader_ = value.leader;
    members_.clear();
    supporters_.clear();
    static_members_.clear();
    for (const auto& entry : value.members) {
        Member member{
            .id = entry.member_id,
            .instance_id = entry.group_instance_id,
            .client = {entry.client_id, entry.client_host},
            .session_timeout = Duration::milliseconds(entry.session_timeout),
            .assignment = Slice::copy(entry.assignment.bytes()),
        };
        member.rebalance_timeout = entry.rebalance_timeout < 0
                                       ? member.session_timeout
                                       : Duration::milliseconds(entry.rebalance_timeout);
        if (protocol_) {
            member.protocols.push_back({*protocol_, Slice::copy(entry.subscription.bytes())});
        }
        member.joined = ++joins_;
        count_protocols(member, true);
        if (member.instance_id) static_members_[*member.instance_id] = member.id;
        alive(members_.emplace(entry.member_id, std::move(member)).first->second, now);
    }
    most_members_ = members_.size();
    state_ = members_.empty() ? GroupState::empty : GroupState::stable;
    state_since_ = since;
}

std::unique_ptr<ClassicGroup> ClassicGroup::adopt(std::string id, const GroupOptions& options,
                                                  std::int32_t generation,
                                                  std::vector<Member> members, Time now) {
    auto group = std::make_unique<ClassicGroup>(std::move(id), options);
    group->generation_ = generation;
    group->protocol_type_ = "consumer";
    for (Member& member : members) {
        if (!group->leader_) group->leader_ = member.id;
        member.joined = ++group->joins_;
        group->count_protocols(member, true);
        if (member.instance_id) group->static_members_[*member.instance_id] = member.id;
        std::string member_id = member.id;
        group->alive(group->members_.emplace(member_id, std::move(member)).first->second, now);
    }
    group->most_members_ = group->members_.size();
    group->protocol_ = group->select_protocol();
    group->enter(GroupState::stable, now);
    return group;
}

void ClassicGroup::set_assignment(const std::string& member_id, Slice assignment) {
    members_.at(member_id).assignment = std::move(assignment);
}

void ClassicGroup::end(ErrorCode error, Actions& actions) {
    for (auto& [id, member] : members_) {
        if (member.join_ticket != 0) {
            actions.replies.push_back(
                {std::exchange(member.join_ticket, 0),
                 JoinGroupResponse{.error_code = error, .protocol_name = "", .member_id = id}});
        }
        if (member.sync_ticket != 0) {
            actions.replies.push_back(
                {std::exchange(member.sync_ticket, 0), SyncGroupResponse{.error_code = error}});
        }
    }
    for (auto& [id, pending] : writes_) {
        if (pending.ticket == 0) continue;
        pending.response.error_code = error;
        actions.replies.push_back({pending.ticket, std::move(pending.response)});
    }
    writes_.clear();
    state_ = GroupState::dead;
    wake_at_ = Time::never();
}

DescribeGroupsResponse::DescribedGroup ClassicGroup::describe() const {
    DescribeGroupsResponse::DescribedGroup described;
    described.group_id = id_;
    described.group_state = to_string(state_);
    described.protocol_type = protocol_type_.value_or("");
    bool settled = state_ == GroupState::stable;
    if (settled) described.protocol_data = protocol_.value_or("");
    for (const auto& [id, member] : members_) {
        auto& entry = described.members.emplace_back();
        entry.member_id = id;
        entry.group_instance_id = member.instance_id;
        entry.client_id = member.client.id;
        entry.client_host = member.client.host;
        if (!settled) continue;
        if (const Protocol* chosen = member.find(*protocol_))
            entry.member_metadata = chosen->metadata;
        entry.member_assignment = member.assignment;
    }
    return described;
}

std::set<std::string> ClassicGroup::subscribed_topics() const {
    std::set<std::string> topics;
    if (!protocol_) return topics;
    for (const auto& [id, member] : members_) {
        if (const Protocol* chosen = member.find(*protocol_)) {
            read_subscription(chosen->metadata.bytes(), topics);
        }
    }
    return topics;
}

bool ClassicGroup::all_subscriptions_known() const {
    if (!protocol_) return false;
    return std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
        const Protocol* chosen = entry.second.find(*protocol_);
        std::set<std::string> topics;
        return chosen != nullptr && read_subscription(chosen->metadata.bytes(), topics);
    });
}

}  // namespace millrace::groups
