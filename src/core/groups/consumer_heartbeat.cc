// Members of the consumer protocol: what a heartbeat decides. See consumer_groups.cc for the rest.

#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/groups/consumer_groups.h"
#include "core/groups/topic_regex.h"

namespace millrace::groups {
namespace {

// Topics are looked up for all expressions of a group no more often.
constexpr std::int64_t least_resolve_interval_ms = 10'000;

bool is_blank(const std::string& text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c <= ' '; });
}

Owned owned_of(const ConsumerGroupHeartbeatRequest& request) {
    if (!request.topic_partitions) return std::nullopt;
    Owned owned(std::in_place);
    for (const auto& topic : *request.topic_partitions) {
        owned->push_back({topic.topic_id, topic.partitions});
    }
    return owned;
}

// A heartbeat of an older epoch is well when the answer that told the newer one may be lost.
Result<> check_epoch(const ConsumerMember& member, std::int32_t told, const Owned& owned) {
    if (told == 0 || told == member.epoch) return {};
    if (told < member.epoch && told == member.previous_epoch && owns_only(owned, member.assigned)) {
        return {};
    }
    return fail(ErrorCode::fenced_member_epoch,
                fmt::format("The consumer group member has a {} member epoch ({}) than the one "
                            "known by the group coordinator ({}). The member must abandon all its "
                            "partitions and rejoin.",
                            told > member.epoch ? "greater" : "smaller", told, member.epoch));
}

Error unknown_member(const ConsumerGroup& group, const std::string& member_id) {
    return {ErrorCode::unknown_member_id,
            fmt::format("Member {} is not a member of group {}.", member_id, group.id())};
}

Result<> check_static(const ConsumerMember* holder, const std::string& member_id,
                      const std::string& instance_id) {
    if (holder == nullptr) {
        return fail(ErrorCode::unknown_member_id,
                    fmt::format("Instance id {} is unknown.", instance_id));
    }
    if (holder->id == member_id) return {};
    return fail(ErrorCode::fenced_instance_id,
                fmt::format("Static member {} with instance id {} was fenced by member {}.",
                            member_id, instance_id, holder->id));
}

ConsumerGroupHeartbeatResponse::Assignment told_of(const EpochAssignment& assigned) {
    ConsumerGroupHeartbeatResponse::Assignment told;
    for (const auto& [topic, partitions] : assigned) {
        auto& entry = told.topic_partitions.emplace_back();
        entry.topic_id = topic;
        for (const auto& [partition, epoch] : partitions) entry.partitions.push_back(partition);
    }
    return told;
}

// The same partitions, whatever their epochs.
bool same_partitions(const EpochAssignment& a, const EpochAssignment& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
        return x.first == y.first &&
               std::ranges::equal(
                   x.second, y.second, {}, [](const auto& e) { return e.first; },
                   [](const auto& e) { return e.first; });
    });
}

// The group is full of records of a member that goes.
void remove_member(const std::string& group, const std::string& member,
                   std::vector<GroupRecord>& records) {
    records.push_back(current_tombstone(group, member));
    records.push_back(target_tombstone(group, member));
    records.push_back(subscription_tombstone(group, member));
}

// Takes the place of a static member, whose partitions and subscription it has from then on.
ConsumerMember replace(const ConsumerGroup& group, const ConsumerMember& before,
                       const std::string& member_id, std::vector<GroupRecord>& records) {
    ConsumerMember member = before;
    member.id = member_id;
    member.epoch = 0;
    member.previous_epoch = 0;
    remove_member(group.id(), before.id, records);
    records.push_back(subscription_record(group.id(), member));
    records.push_back(target_record(group.id(), member_id, group.target_of(before.id)));
    records.push_back(current_record(group.id(), member));
    return member;
}

SubscriptionType type_with(const ConsumerGroup& group, const ConsumerMember& before,
                           const ConsumerMember& now) {
    bool is_new = group.find(now.id) == nullptr && group.find_static(now.instance_id) == nullptr;
    return subscription_type(group.regexes_with(&before, &now), group.topics_with(&before, &now),
                             group.size() + (is_new ? 1 : 0));
}

}  // namespace

// The request alone ----------------------------------------------------------------------------

Result<> ConsumerGroups::check(const ConsumerGroupHeartbeatRequest& request,
                               std::int16_t version) const {
    auto invalid = [](std::string message) {
        return fail(ErrorCode::invalid_request, std::move(message));
    };
    if ((version >= 1 || request.member_epoch > 0 || request.member_epoch == leave_epoch) &&
        is_blank(request.member_id)) {
        return invalid("MemberId can't be empty.");
    }
    if (is_blank(request.group_id)) return invalid("GroupId can't be empty.");
    if (request.instance_id && is_blank(*request.instance_id))
        return invalid("InstanceId can't be empty.");
    if (request.rack_id && is_blank(*request.rack_id)) return invalid("RackId can't be empty.");
    if (request.member_epoch == 0) {
        if (request.rebalance_timeout_ms == -1)
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        if (!request.topic_partitions || !request.topic_partitions->empty())
            return invalid("TopicPartitions must be empty when (re-)joining.");
        if (!request.subscribed_topic_names && !request.subscribed_topic_regex) {
            return invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
                "(re-)joining.");
        }
    } else if (request.member_epoch == leave_for_a_while_epoch) {
        if (!request.instance_id) return invalid("InstanceId can't be null.");
    } else if (request.member_epoch < leave_for_a_while_epoch) {
        return invalid("MemberEpoch is invalid.");
    }
    const auto& assignors = options_.consumer.assignors;
    if (request.server_assignor &&
        std::ranges::find(assignors, *request.server_assignor) == assignors.end()) {
        return fail(ErrorCode::unsupported_assignor,
                    fmt::format("ServerAssignor {} is not supported. Supported assignors: {}.",
                                *request.server_assignor, fmt::join(assignors, ", ")));
    }
    return {};
}

Result<> ConsumerGroups::check_size(const ConsumerGroup& group,
                                    const std::string& member_id) const {
    if (group.size() < options_.consumer.max_size || group.find(member_id) != nullptr) return {};
    return fail(ErrorCode::group_max_size_reached,
                fmt::format("The consumer group has reached its maximum capacity of {} members.",
                            options_.consumer.max_size));
}

// A member takes part --------------------------------------------------------------------------

Result<ConsumerMember> ConsumerGroups::seat(const ConsumerGroup& group,
                                            const ConsumerGroupHeartbeatRequest& request,
                                            const std::string& member_id,
                                            std::vector<GroupRecord>& records) const {
    bool joins = request.member_epoch == 0;
    Owned owned = owned_of(request);
    if (!request.instance_id) {
        const ConsumerMember* known = group.find(member_id);
        if (known == nullptr) {
            if (!joins) return fail(unknown_member(group, member_id));
            return ConsumerMember{.id = member_id};
        }
        RETURN_IF_ERROR(check_epoch(*known, request.member_epoch, owned));
        return *known;
    }
    const ConsumerMember* holder = group.find_static(request.instance_id);
    if (!joins) {
        RETURN_IF_ERROR(check_static(holder, member_id, *request.instance_id));
        RETURN_IF_ERROR(check_epoch(*holder, request.member_epoch, owned));
        return *holder;
    }
    if (holder == nullptr) {
        const ConsumerMember* known = group.find(member_id);
        return known == nullptr ? ConsumerMember{.id = member_id} : *known;
    }
    if (!holder->classic && holder->epoch != leave_for_a_while_epoch) {
        return fail(
            ErrorCode::unreleased_instance_id,
            fmt::format("Static member {} with instance id {} cannot join the group because "
                        "the instance id is owned by {} member.",
                        member_id, *request.instance_id, holder->id));
    }
    return replace(group, *holder, member_id, records);
}

Result<ConsumerMember> ConsumerGroups::seat_classic(const ConsumerGroup& group,
                                                    const JoinGroupRequest& request,
                                                    const std::string& member_id,
                                                    std::vector<GroupRecord>& records) const {
    if (!request.group_instance_id) {
        const ConsumerMember* known = group.find(member_id);
        return known == nullptr ? ConsumerMember{.id = member_id} : *known;
    }
    const ConsumerMember* holder = group.find_static(request.group_instance_id);
    if (!request.member_id.empty()) {
        RETURN_IF_ERROR(check_static(holder, member_id, *request.group_instance_id));
        return *holder;
    }
    if (holder == nullptr) return ConsumerMember{.id = member_id};
    return replace(group, *holder, member_id, records);
}

Result<ConsumerGroups::HeartbeatDecision> ConsumerGroups::heartbeat(
    const ConsumerGroup& group, const ConsumerGroupHeartbeatRequest& request, const Client& client,
    const std::string& new_id, Moment now) {
    RETURN_IF_ERROR(check_size(group, request.member_id));
    const std::string& member_id = request.member_id.empty() ? new_id : request.member_id;
    HeartbeatDecision decision;
    ASSIGN_OR_RETURN(ConsumerMember seated, seat(group, request, member_id, decision.records));

    Draft draft{.group = group,
                .before = seated,
                .now = seated,
                .records = decision.records,
                .moment = now};
    ConsumerMember& member = draft.now;
    if (request.instance_id) member.instance_id = request.instance_id;
    if (request.rack_id) member.rack = request.rack_id;
    if (request.rebalance_timeout_ms != -1)
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    if (request.server_assignor) member.assignor = request.server_assignor;
    if (request.subscribed_topic_names) {
        member.topics = {request.subscribed_topic_names->begin(),
                         request.subscribed_topic_names->end()};
    }
    if (request.subscribed_topic_regex) member.regex = request.subscribed_topic_regex;
    member.client = client;
    member.classic.reset();

    RETURN_IF_ERROR(update_group(draft));
    Target target = update_target(draft);
    RETURN_IF_ERROR(reconcile_member(draft, target, owned_of(request)));

    GroupTimes times = options_.consumer.times(*image_, group.id());
    set_session(group.id(), member_id, now.time + times.session_timeout);
    auto& response = decision.response;
    response.member_id = member.id;
    response.member_epoch = member.epoch;
    response.heartbeat_interval_ms = static_cast<std::int32_t>(times.heartbeat_interval.ms());
    bool is_full = request.rebalance_timeout_ms != -1 && request.topic_partitions &&
                   (request.subscribed_topic_names || request.subscribed_topic_regex);
    if (request.member_epoch == 0 || is_full ||
        !same_partitions(draft.before.assigned, member.assigned)) {
        response.assignment = told_of(member.assigned);
    }
    return decision;
}

Result<> ConsumerGroups::update_group(Draft& draft) {
    const ConsumerGroup& group = draft.group;
    bool topics_changed = false;
    if (draft.now != draft.before) {
        draft.records.push_back(subscription_record(group.id(), draft.now));
        topics_changed = draft.now.topics != draft.before.topics;
    }
    ASSIGN_OR_RETURN(RegexChange regex, update_regexes(draft));
    draft.subscription_changed = topics_changed || regex != RegexChange::none;
    draft.group_epoch = group.epoch().epoch;
    bool bump = topics_changed || regex == RegexChange::updated_and_resolved;
    auto soft = soft_.find(group.id());
    bool topics_known = soft != soft_.end() && soft->second.topics_known_at &&
                        group.epoch().epoch >= *soft->second.topics_known_at;
    if (bump || !topics_known) update_epoch(draft, bump);
    return {};
}

Result<ConsumerGroups::RegexChange> ConsumerGroups::update_regexes(Draft& draft) {
    const ConsumerGroup& group = draft.group;
    RegexChange change = RegexChange::none;
    bool needed = false;
    if (draft.before.regex != draft.now.regex) {
        change = RegexChange::updated;
        if (draft.before.has_regex() && group.subscribers_of(*draft.before.regex) == 1) {
            draft.records.push_back(regex_tombstone(group.id(), *draft.before.regex));
        }
        if (draft.now.has_regex()) {
            if (group.subscribers_of(*draft.now.regex) == 0) {
                RETURN_IF_ERROR(check_regex(*draft.now.regex));
                needed = true;
            } else if (group.resolved().contains(*draft.now.regex)) {
                change = RegexChange::updated_and_resolved;
            }
        } else if (draft.before.has_regex()) {
            change = RegexChange::updated_and_resolved;
        }
    }
    std::set<std::string> regexes = regexes_to_resolve(draft, needed);
    if (!regexes.empty()) {
        soft_[group.id()].regexes = std::move(regexes);
        unresolved_.insert(group.id());
    }
    return change;
}

// All expressions of the group, when one is new, or topics are, or they were looked up long ago.
std::set<std::string> ConsumerGroups::regexes_to_resolve(const Draft& draft, bool needed) const {
    const ConsumerGroup& group = draft.group;
    std::set<std::string> all;
    if (!needed && group.regexes().empty()) return all;
    std::optional<std::int64_t> resolved_at;
    std::int64_t version = 0;
    if (!group.resolved().empty()) {
        resolved_at = group.resolved().begin()->second.timestamp;
        version = group.resolved().begin()->second.version;
    }
    Timestamp now = draft.moment.wall_ms;
    if (resolved_at && now <= *resolved_at + least_resolve_interval_ms) return all;
    for (const auto& [regex, count] : group.regexes_with(&draft.before, &draft.now)) {
        all.insert(regex);
    }
    bool stale = resolved_at && now > *resolved_at + options_.consumer.regex_refresh_interval.ms();
    if (needed || all.size() != group.resolved().size() || version < topics_added_at_ || stale) {
        return all;
    }
    return {};
}

void ConsumerGroups::update_epoch(Draft& draft, bool bump) {
    const ConsumerGroup& group = draft.group;
    SubscribedTopics topics = group.topics_with(&draft.before, &draft.now);
    std::int64_t hash = hashes_.of(topics, *image_);
    if (bump || hash != group.epoch().metadata_hash) {
        ++draft.group_epoch;
        ++rebalances_;
        draft.records.push_back(group_epoch_record(group.id(), {draft.group_epoch, hash}));
    }
    soft_[group.id()].topics_known_at = draft.group_epoch;
    if (group.has_old_subscription_metadata()) {
        draft.records.push_back(old_subscription_metadata_tombstone(group.id()));
    }
}

ConsumerGroups::Target ConsumerGroups::update_target(Draft& draft) {
    const ConsumerGroup& group = draft.group;
    const TargetEpoch& last = group.target_epoch();
    if (draft.group_epoch <= last.epoch) return {last.epoch, group.target_of(draft.now)};
    Duration interval = options_.consumer.times(*image_, group.id()).assignment_interval;
    if (last.stands_at(draft.moment.wall_ms, interval))
        return {last.epoch, group.target_of(draft.now)};
    // Also for a member whose expression is not resolved yet, which changes no epoch.
    draft.type = type_with(group, draft.before, draft.now);
    std::string name = group.preferred_assignor(&draft.before, &draft.now)
                           .value_or(options_.consumer.assignors.front());
    Assignor assignor = find_assignor(name);
    CHECK(assignor != nullptr);  // options and requests name known ones
    Assignments next = compute_target(group, draft.now, draft.type, assignor, *image_);
    for (const auto& [member_id, partitions] : next) {
        auto known = group.targets().find(member_id);
        if (known != group.targets().end() && known->second == partitions) continue;
        draft.records.push_back(target_record(group.id(), member_id, partitions));
    }
    draft.records.push_back(
        target_epoch_record(group.id(), {draft.group_epoch, draft.moment.wall_ms}));
    return {draft.group_epoch, std::move(next[draft.now.id])};
}

Result<> ConsumerGroups::reconcile_member(Draft& draft, const Target& target, const Owned& owned) {
    ConsumerMember& member = draft.now;
    if (!draft.subscription_changed && member.is_reconciled_to(target.epoch)) return {};
    const ConsumerGroup& group = draft.group;
    std::set<Uuid> subscribed = topic_ids_of(member, group.resolved(), *image_);
    ASSIGN_OR_RETURN(
        ConsumerMember next,
        reconcile(member, {.target_epoch = target.epoch,
                           .target = target.partitions,
                           .owned = owned,
                           .subscription_changed = draft.subscription_changed,
                           .subscribed = subscribed,
                           .partition_epoch = [&](const Uuid& topic, std::int32_t partition) {
                               return group.partition_epoch(topic, partition);
                           }}));
    if (next == member) return {};
    member = std::move(next);
    draft.records.push_back(current_record(group.id(), member));
    if (member.classic) return {};
    Deadlines& due = deadlines(group.id(), member.id);
    if (member.state == MemberState::unrevoked_partitions) {
        due.rebalance = draft.moment.time + Duration::milliseconds(member.rebalance_timeout_ms);
        due.rebalance_epoch = member.epoch;
        wake_by(due.rebalance);
    } else {
        due.rebalance = Time::never();
    }
    return {};
}

// A member goes --------------------------------------------------------------------------------

Result<ConsumerGroups::HeartbeatDecision> ConsumerGroups::leave(
    const ConsumerGroup& group, const ConsumerGroupHeartbeatRequest& request, Moment now) {
    HeartbeatDecision decision;
    decision.response.member_id = request.member_id;
    decision.response.member_epoch = request.member_epoch;
    const ConsumerMember* member = group.find(request.member_id);
    if (request.instance_id) {
        member = group.find_static(request.instance_id);
        RETURN_IF_ERROR(check_static(member, request.member_id, *request.instance_id));
        if (request.member_epoch == leave_for_a_while_epoch) {
            ConsumerMember away = *member;
            away.epoch = leave_for_a_while_epoch;
            away.pending_revocation.clear();
            for (auto& [topic, partitions] : away.assigned) {
                for (auto& [partition, epoch] : partitions) epoch = 0;
            }
            decision.records.push_back(current_record(group.id(), away));
            return decision;
        }
    }
    if (member == nullptr) return fail(unknown_member(group, request.member_id));
    fence(group, {member}, now, decision.records, decision.migration);
    return decision;
}

void ConsumerGroups::fence(const ConsumerGroup& group,
                           const std::vector<const ConsumerMember*>& members, Moment now,
                           std::vector<GroupRecord>& records, Migration& migration) {
    if (members.empty()) return;
    if (may_downgrade(group, members, false)) {
        downgrade(group, members, nullptr, true, now, records, migration);
        return;
    }
    for (const ConsumerMember* member : members) remove_member(group.id(), member->id, records);
    for (const std::string& regex : group.regexes_only_of(members)) {
        records.push_back(regex_tombstone(group.id(), regex));
    }
    std::int64_t hash = hashes_.of(group.topics_without(members), *image_);
    records.push_back(group_epoch_record(group.id(), {group.epoch().epoch + 1, hash}));
}

}  // namespace millrace::groups
