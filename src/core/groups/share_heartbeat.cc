// What a heartbeat of a share group's member asks for; see share_groups.cc.

#include <algorithm>
#include <fmt/core.h>

#include "core/groups/share_assignor.h"
#include "core/groups/share_groups.h"

namespace millrace::groups {
namespace {

Error unknown_member(const ShareGroup& group, const std::string& member_id) {
    return {ErrorCode::unknown_member_id,
            fmt::format("Member {} is not a member of group {}.", member_id, group.id())};
}

Result<> check_epoch(const ShareMember& member, std::int32_t told) {
    if (told == 0 || told == member.epoch) return {};
    if (told < member.epoch && told == member.previous_epoch) return {};
    return fail(ErrorCode::fenced_member_epoch,
                fmt::format("The share group member has epoch {}, and the group coordinator knows "
                            "it with {}. The member must abandon all its partitions and rejoin.",
                            told, member.epoch));
}

std::vector<AssignableTopic> topics_of(const ShareMember& member, const metadata::Image& image) {
    std::vector<AssignableTopic> topics;
    for (const std::string& name : member.topics) {
        const metadata::Topic* topic = image.topics.find(std::string_view(name));
        if (topic == nullptr) continue;
        topics.push_back({topic->id, static_cast<std::int32_t>(topic->partitions.size())});
    }
    return topics;
}

ShareGroupHeartbeatResponse::Assignment told_of(const Assignment& assignment) {
    ShareGroupHeartbeatResponse::Assignment told;
    for (const auto& [topic, partitions] : assignment)
        told.topic_partitions.push_back({topic, partitions});
    return told;
}

}  // namespace

Result<> ShareGroups::check(const ShareGroupHeartbeatRequest& request) {
    auto invalid = [](std::string_view why) {
        return fail(ErrorCode::invalid_request, std::string(why));
    };
    if (request.member_id.empty()) return invalid("MemberId can't be empty.");
    if (request.group_id.empty()) return invalid("GroupId can't be empty.");
    if (request.rack_id && request.rack_id->empty()) return invalid("RackId can't be empty.");
    if (request.member_epoch == 0) {
        if (!request.subscribed_topic_names || request.subscribed_topic_names->empty())
            return invalid("SubscribedTopicNames must be set in first request.");
    } else if (request.member_epoch < leave_epoch) {
        return invalid("MemberEpoch is invalid.");
    }
    return {};
}

Result<ShareMember> ShareGroups::seat(const ShareGroup& group,
                                      const ShareGroupHeartbeatRequest& request) const {
    const ShareMember* known = group.find(request.member_id);
    if (known == nullptr) {
        if (group.members().size() >= options_.share.max_size) {
            return fail(ErrorCode::group_max_size_reached,
                        fmt::format("The share group has reached its maximum capacity of {} "
                                    "members.",
                                    options_.share.max_size));
        }
        if (request.member_epoch != 0) return fail(unknown_member(group, request.member_id));
        return ShareMember{.id = request.member_id};
    }
    RETURN_IF_ERROR(check_epoch(*known, request.member_epoch));
    return *known;
}

Result<ShareGroups::HeartbeatDecision> ShareGroups::heartbeat(
    const ShareGroup& group, const ShareGroupHeartbeatRequest& request, const Client& client,
    Moment now) {
    ASSIGN_OR_RETURN(ShareMember seated, seat(group, request));
    HeartbeatDecision decision;
    Draft draft{.group = group,
                .before = seated,
                .now = seated,
                .records = decision.records,
                .moment = now,
                .topics = group.topics()};
    ShareMember& member = draft.now;
    if (request.rack_id) member.rack = request.rack_id;
    if (request.subscribed_topic_names) {
        member.topics = {request.subscribed_topic_names->begin(),
                         request.subscribed_topic_names->end()};
    }
    member.client = client;

    update_group(draft);
    reconcile(draft, update_target(draft));
    GroupTimes times = options_.share.times(*image_, group.id());
    set_session(group.id(), member.id, now.time + times.session_timeout);
    ShareGroupHeartbeatResponse& response = decision.response;
    response.member_id = member.id;
    response.member_epoch = member.epoch;
    response.heartbeat_interval_ms = static_cast<std::int32_t>(times.heartbeat_interval.ms());
    bool is_full = request.member_epoch == 0 || request.subscribed_topic_names;
    if (is_full || draft.before.assigned != member.assigned)
        response.assignment = told_of(member.assigned);
    decision.initialize = initialize(draft);
    return decision;
}

void ShareGroups::update_group(Draft& draft) {
    const ShareGroup& group = draft.group;
    bool bump = false;
    if (draft.now != draft.before || group.find(draft.now.id) == nullptr) {
        draft.records.push_back(share_subscription_record(group.id(), draft.now));
        bump = draft.now.topics != draft.before.topics;
    }
    draft.group_epoch = group.epoch().epoch;
    // Partitions are given out once their state is initialized.
    if (group.target_epoch().epoch >= draft.group_epoch) bump = bump || group.has_unassigned();
    Soft& soft = soft_[group.id()];
    bool known = soft.topics_known_at && group.epoch().epoch >= *soft.topics_known_at;
    if (!bump && known) return;
    draft.topics = group.topics_with(group.find(draft.now.id), &draft.now);
    std::int64_t hash = hashes_.of(draft.topics, *image_);
    if (bump || hash != group.epoch().metadata_hash) {
        draft.changed = true;
        ++rebalances_;
        draft.records.push_back(share_epoch_record(group.id(), {++draft.group_epoch, hash}));
    }
    soft.topics_known_at = draft.group_epoch;
}

ShareGroups::Target ShareGroups::update_target(Draft& draft) const {
    const ShareGroup& group = draft.group;
    const TargetEpoch& last = group.target_epoch();
    Duration interval = options_.share.times(*image_, group.id()).assignment_interval;
    if (draft.group_epoch <= last.epoch || last.stands_at(draft.moment.wall_ms, interval))
        return {last.epoch, group.target_of(draft.now.id)};
    std::map<std::string, const ShareMember*> members;
    for (const auto& [id, member] : group.members()) members[id] = &member;
    members[draft.now.id] = &draft.now;
    SubscribedTopics topics = group.topics_with(group.find(draft.now.id), &draft.now);
    GroupSpec spec{.members = {}, .type = subscription_type({}, topics, members.size())};
    for (const auto& [id, member] : members) {
        spec.members.push_back(
            {.id = id, .topics = topics_of(*member, *image_), .current = &group.target_of(id)});
    }
    Assignments next = assign_simple(spec, group.state_topics().initialized);
    for (const auto& [id, partitions] : next) {
        auto known = group.targets().find(id);
        if (known != group.targets().end() && known->second == partitions) continue;
        draft.records.push_back(share_target_record(group.id(), id, partitions));
    }
    draft.records.push_back(
        share_target_epoch_record(group.id(), {draft.group_epoch, draft.moment.wall_ms}));
    return {draft.group_epoch, std::move(next[draft.now.id])};
}

Assignment ShareGroups::subscribed_of(const ShareMember& member, const Assignment& target) const {
    Assignment assignment = target;
    std::erase_if(assignment, [&](const auto& entry) {
        const metadata::Topic* topic = image_->topics.find(entry.first);
        return topic == nullptr || !member.topics.contains(topic->name);
    });
    return assignment;
}

void ShareGroups::reconcile(Draft& draft, const Target& target) const {
    ShareMember& member = draft.now;
    if (target.epoch == member.epoch && !draft.changed) return;
    ShareMember next = member;
    next.assigned = subscribed_of(member, target.partitions);
    if (target.epoch != member.epoch) {
        next.previous_epoch = member.epoch;
        next.epoch = target.epoch;
    }
    if (next == member) return;
    member = std::move(next);
    draft.records.push_back(share_current_record(draft.group.id(), member));
}

// Partitions whose state nobody has asked for yet, or for too long in vain.
std::optional<ShareStateRequest> ShareGroups::initialize(Draft& draft) {
    const ShareGroup& group = draft.group;
    const ShareStateTopics& known = group.state_topics();
    const Soft& soft = soft_[group.id()];
    Time now = draft.moment.time;
    ShareStateRequest request{
        .group_id = group.id(), .state_epoch = draft.group_epoch, .topics = {}};
    ShareStateTopics::Topics missing;
    for (const auto& [name, count] : draft.topics) {
        const metadata::Topic* topic = image_->topics.find(std::string_view(name));
        if (topic == nullptr) continue;
        std::set<std::int32_t> begun;
        if (auto found = known.initialized.find(topic->id); found != known.initialized.end())
            begun = found->second.partitions;
        auto since = soft.initializing_since.find(topic->id);
        bool awaited = since != soft.initializing_since.end() &&
                       now < since->second + options_.share.initialize_retry_interval;
        auto initializing = known.initializing.find(topic->id);
        if (awaited && initializing != known.initializing.end())
            begun.insert(initializing->second.partitions.begin(),
                         initializing->second.partitions.end());
        for (const auto& [partition, state] : topic->partitions) {
            if (begun.contains(partition)) continue;
            missing[topic->id].name = name;
            missing[topic->id].partitions.insert(partition);
            request.topics[topic->id].push_back({partition, -1});
        }
    }
    if (missing.empty()) return std::nullopt;
    auto records = begin_initializing(group, missing, now);
    draft.records.insert(draft.records.end(), records.begin(), records.end());
    return request;
}

// A member goes --------------------------------------------------------------------------------

Result<ShareGroups::HeartbeatDecision> ShareGroups::leave(
    const ShareGroup& group, const ShareGroupHeartbeatRequest& request) {
    const ShareMember* member = group.find(request.member_id);
    if (member == nullptr) return fail(unknown_member(group, request.member_id));
    HeartbeatDecision decision;
    decision.response.member_id = request.member_id;
    decision.response.member_epoch = request.member_epoch;
    remove(group, {member}, decision.records);
    return decision;
}

void ShareGroups::remove(const ShareGroup& group, const std::vector<const ShareMember*>& members,
                         std::vector<GroupRecord>& records) {
    SubscribedTopics topics = group.topics();
    for (const ShareMember* member : members) {
        records.push_back(share_current_tombstone(group.id(), member->id));
        records.push_back(share_target_tombstone(group.id(), member->id));
        records.push_back(share_subscription_tombstone(group.id(), member->id));
        for (const std::string& topic : member->topics) {
            if (--topics[topic].by_name <= 0) topics.erase(topic);
        }
    }
    std::int64_t hash = hashes_.of(topics, *image_);
    records.push_back(share_epoch_record(group.id(), {group.epoch().epoch + 1, hash}));
}

}  // namespace millrace::groups
