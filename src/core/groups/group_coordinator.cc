#include "core/groups/group_coordinator.h"

#include <algorithm>
#include <fmt/core.h>

#include "core/groups/group_records.h"

namespace millrace::groups {
namespace {

bool matches(const std::vector<std::string>& filter, std::string_view value) {
    auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
    return filter.empty() ||
           std::any_of(filter.begin(), filter.end(), [&](const std::string& each) {
               return std::equal(each.begin(), each.end(), value.begin(), value.end(), same);
           });
}

}  // namespace

ClassicGroup* GroupCoordinator::find(const std::string& group_id) {
    auto found = groups_.find(group_id);
    return found == groups_.end() ? nullptr : found->second.get();
}

const ClassicGroup* GroupCoordinator::find(const std::string& group_id) const {
    auto found = groups_.find(group_id);
    return found == groups_.end() ? nullptr : found->second.get();
}

ClassicGroup& GroupCoordinator::find_or_create(const std::string& group_id) {
    std::unique_ptr<ClassicGroup>& group = groups_[group_id];
    if (!group) group = std::make_unique<ClassicGroup>(group_id, options_);
    return *group;
}

bool GroupCoordinator::exists(const std::string& group_id) const {
    return groups_.contains(group_id) || offsets_.contains(group_id) ||
           consumers_.find(group_id) != nullptr || shares_.find(group_id) != nullptr ||
           streams_.find(group_id) != nullptr || transactional_.holds_any(group_id);
}

bool GroupCoordinator::is_modern(const std::string& group_id) const {
    return consumers_.find(group_id) != nullptr || shares_.find(group_id) != nullptr ||
           streams_.find(group_id) != nullptr;
}

// The log --------------------------------------------------------------------------------------

Result<> GroupCoordinator::apply(const GroupRecord& record, const AppendedAs& as) {
    ASSIGN_OR_RETURN(Entry entry, parse(record));
    if (auto* offset = std::get_if<OffsetEntry>(&entry)) {
        TransactionalOffsets::Key key{offset->group, offset->topic, offset->partition};
        if (!offset->offset) {
            remove_offset(key);
            return {};
        }
        offset->offset->record_offset = as.offset;
        if (as.producer_id >= 0) {
            transactional_.hold(as.producer_id, key, *std::move(offset->offset));
        } else {
            offsets_[key.group][key.topic][key.partition] = *std::move(offset->offset);
        }
    } else if (auto* group = std::get_if<GroupEntry>(&entry)) {
        if (!group->value) {
            restored_.erase(group->group);
            // Who joined while the tombstone was being written brings the group back.
            const ClassicGroup* living = find(group->group);
            if (living != nullptr && !living->has_members()) groups_.erase(group->group);
        } else if (loading_) {
            restored_[group->group] = *std::move(group->value);
        }
    } else if (auto* consumer = std::get_if<ConsumerEntry>(&entry)) {
        consumers_.apply(*std::move(consumer));
    } else if (auto* share = std::get_if<ShareGroupEntry>(&entry)) {
        shares_.apply(*std::move(share));
    } else if (auto* streams = std::get_if<StreamsEntry>(&entry)) {
        streams_.apply(*std::move(streams));
    }
    return {};
}

void GroupCoordinator::remove_offset(const TransactionalOffsets::Key& key) {
    transactional_.drop(key);
    auto group = offsets_.find(key.group);
    if (group == offsets_.end()) return;
    auto topic = group->second.find(key.topic);
    if (topic == group->second.end()) return;
    topic->second.erase(key.partition);
    if (topic->second.empty()) group->second.erase(topic);
    if (group->second.empty()) offsets_.erase(group);
}

void GroupCoordinator::end_transaction(std::int64_t producer_id, bool committed) {
    auto held = transactional_.release(producer_id);
    if (!committed) return;
    for (auto& [key, offset] : held) {
        CommittedOffset& current = offsets_[key.group][key.topic][key.partition];
        if (offset.record_offset >= current.record_offset) current = std::move(offset);
    }
}

void GroupCoordinator::loaded(Time now) {
    loading_ = false;
    for (const auto& [id, value] : restored_) {
        std::optional<Time> since;
        if (value.current_state_timestamp >= 0) {
            since = now - Duration::milliseconds(wall_of(now) - value.current_state_timestamp);
        }
        find_or_create(id).restore(value, since, now);
    }
    restored_.clear();
    consumers_.loaded(now);
    shares_.loaded(now);
    streams_.loaded(now);
}

void GroupCoordinator::unload(ErrorCode error, Effects& effects) {
    for (auto& [id, group] : groups_) {
        Actions actions;
        group->end(error, actions);
        std::ranges::move(actions.replies, std::back_inserter(effects.replies));
    }
    groups_.clear();
    consumers_.clear();
    shares_.clear();
    streams_.clear();
    offsets_.clear();
    appends_.clear();
}

void GroupCoordinator::take(ClassicGroup& group, Actions actions, Effects& effects) {
    std::ranges::move(actions.replies, std::back_inserter(effects.replies));
    for (Write& write : actions.writes) {
        if (group.state_since())
            write.value.current_state_timestamp = wall_of(*group.state_since());
        std::uint64_t id = ++next_append_;
        appends_[id] = {group.id(), write.id};
        effects.appends.push_back({id, {group_record(group.id(), write.value)}});
    }
}

void GroupCoordinator::committed(std::uint64_t append, ErrorCode outcome, Time now,
                                 Effects& effects) {
    auto found = appends_.find(append);
    if (found == appends_.end()) return;
    GroupWrite write = std::move(found->second);
    appends_.erase(found);
    ClassicGroup* group = find(write.group_id);
    if (group == nullptr) return;
    Actions actions;
    bool was_completing = group->state() == GroupState::completing_rebalance;
    group->written(write.write, outcome, now, actions);
    if (was_completing && group->state() == GroupState::stable) ++classic_rebalances_;
    take(*group, std::move(actions), effects);
}

std::size_t GroupCoordinator::classic_count(GroupState state) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        groups_, [state](const auto& group) { return group.second->state() == state; }));
}

std::size_t GroupCoordinator::offset_count() const {
    std::size_t count = 0;
    for (const auto& [group, topics] : offsets_)
        for (const auto& [topic, partitions] : topics) count += partitions.size();
    return count;
}

// Membership -----------------------------------------------------------------------------------

void GroupCoordinator::join(const JoinGroupRequest& request, std::int16_t version,
                            const Client& client, const std::string& new_id, Ticket ticket,
                            Time now, Effects& effects) {
    auto refuse = [&](ErrorCode code) {
        effects.replies.push_back(
            {ticket, JoinGroupResponse{
                         .error_code = code, .protocol_name = "", .member_id = request.member_id}});
    };
    if (request.group_id.empty()) return refuse(ErrorCode::invalid_group_id);
    if (is_modern(request.group_id)) return refuse(ErrorCode::inconsistent_group_protocol);
    ClassicGroup* group = find(request.group_id);
    bool is_new = group == nullptr;
    if (is_new) {
        if (!request.member_id.empty()) return refuse(ErrorCode::unknown_member_id);
        group = &find_or_create(request.group_id);
    }
    Actions actions;
    group->join(request, version, client, new_id, ticket, now, actions);
    bool writes = !actions.writes.empty();
    take(*group, std::move(actions), effects);
    if (!group->has_members() && group->generation() == 0 && !offsets_.contains(request.group_id)) {
        groups_.erase(request.group_id);  // the join was refused: the group never came to be
    } else if (is_new && !writes) {
        // The next coordinator is to know the group, too; nothing waits for that.
        GroupMetadataValue empty{.protocol = std::nullopt,
                                 .leader = std::nullopt,
                                 .current_state_timestamp = wall_of(now)};
        effects.appends.push_back({++next_append_, {group_record(request.group_id, empty)}});
    }
}

void GroupCoordinator::sync(const SyncGroupRequest& request, Ticket ticket, Time now,
                            Effects& effects) {
    ClassicGroup* group = find(request.group_id);
    if (group == nullptr) {
        ErrorCode code =
            request.group_id.empty() ? ErrorCode::invalid_group_id : ErrorCode::unknown_member_id;
        effects.replies.push_back({ticket, SyncGroupResponse{.error_code = code}});
        return;
    }
    Actions actions;
    group->sync(request, ticket, now, actions);
    take(*group, std::move(actions), effects);
}

ErrorCode GroupCoordinator::heartbeat(const HeartbeatRequest& request, Time now) {
    if (request.group_id.empty()) return ErrorCode::invalid_group_id;
    if (const ConsumerGroup* consumers = consumers_.find(request.group_id))
        return consumers_.heartbeat(*consumers, request, now);
    ClassicGroup* group = find(request.group_id);
    return group == nullptr ? ErrorCode::unknown_member_id : group->heartbeat(request, now);
}

LeaveGroupResponse GroupCoordinator::leave(const LeaveGroupRequest& request, std::int16_t version,
                                           Time now, Effects& effects) {
    ClassicGroup* group = find(request.group_id);
    if (group == nullptr) {
        ErrorCode code =
            request.group_id.empty() ? ErrorCode::invalid_group_id : ErrorCode::unknown_member_id;
        if (version < 3 || request.group_id.empty()) return {.error_code = code};
        LeaveGroupResponse response;
        for (const auto& member : request.members) {
            response.members.push_back({.member_id = member.member_id,
                                        .group_instance_id = member.group_instance_id,
                                        .error_code = code});
        }
        return response;
    }
    Actions actions;
    LeaveGroupResponse response = group->leave(request, version, now, actions);
    take(*group, std::move(actions), effects);
    return response;
}

void GroupCoordinator::tick(Time now, Effects& effects) {
    for (auto& [id, group] : groups_) {
        if (group->wake_at() > now) continue;
        Actions actions;
        group->tick(now, actions);
        take(*group, std::move(actions), effects);
    }
}

Time GroupCoordinator::wake_at() const {
    Time soonest = Time::never();
    for (const auto& [id, group] : groups_) soonest = std::min(soonest, group->wake_at());
    return soonest;
}

// Offsets --------------------------------------------------------------------------------------

Decision<std::vector<ErrorCode>> GroupCoordinator::commit_offsets(const Commit& commit, Time now) {
    Decision<std::vector<ErrorCode>> decision;
    auto all = [&](ErrorCode code) {
        decision.response.assign(commit.partitions.size(), code);
        return std::move(decision);
    };
    if (shares_.find(commit.group_id) != nullptr) return all(ErrorCode::group_id_not_found);
    ClassicGroup* group = find(commit.group_id);
    CommitCheck check;
    if (const StreamsGroup* streams = streams_.find(commit.group_id)) {
        check =
            StreamsGroups::check_commit(*streams, commit.member_id, commit.instance_id,
                                        commit.generation, commit.version, commit.transactional);
        if (check.whole != ErrorCode::none) return all(check.whole);
    } else if (const ConsumerGroup* consumers = consumers_.find(commit.group_id)) {
        check = consumers_.check_commit(*consumers, commit.member_id, commit.instance_id,
                                        commit.generation, commit.version, commit.transactional);
        if (check.whole != ErrorCode::none) return all(check.whole);
    } else if (group == nullptr) {
        if (commit.generation >= 0 && exists(commit.group_id)) {
            return all(ErrorCode::unknown_member_id);  // it has offsets, and never had a member
        }
        if (commit.generation >= 0) {
            return all(commit.version >= 9 && !commit.transactional
                           ? ErrorCode::group_id_not_found
                           : ErrorCode::illegal_generation);
        }
    } else {
        ErrorCode error =
            commit.transactional
                ? group->check_transactional_commit(commit.member_id, commit.instance_id,
                                                    commit.generation)
                : group->check_commit(commit.member_id, commit.instance_id, commit.generation, now);
        if (error != ErrorCode::none) return all(error);
    }
    for (const Commit::Partition& each : commit.partitions) {
        if (each.offset.metadata.size() > options_.max_offset_metadata_bytes) {
            decision.response.push_back(ErrorCode::offset_metadata_too_large);
            continue;
        }
        if (check.partition) {
            ErrorCode stale = check.partition(each.topic, each.offset.topic_id, each.partition);
            if (stale != ErrorCode::none) {
                decision.response.push_back(stale);
                continue;
            }
        }
        decision.records.push_back(
            offset_record(commit.group_id, each.topic, each.partition, each.offset));
        decision.response.push_back(ErrorCode::none);
    }
    return decision;
}

const GroupCoordinator::Offsets* GroupCoordinator::offsets(const std::string& group) const {
    auto found = offsets_.find(group);
    return found == offsets_.end() ? nullptr : &found->second;
}

const CommittedOffset* GroupCoordinator::offset(const std::string& group, const std::string& topic,
                                                std::int32_t partition) const {
    const Offsets* topics = offsets(group);
    if (topics == nullptr) return nullptr;
    auto partitions = topics->find(topic);
    if (partitions == topics->end()) return nullptr;
    auto found = partitions->second.find(partition);
    return found == partitions->second.end() ? nullptr : &found->second;
}

Decision<OffsetDeleteResponse> GroupCoordinator::delete_offsets(
    const OffsetDeleteRequest& request) const {
    Decision<OffsetDeleteResponse> decision;
    bool shares = shares_.find(request.group_id) != nullptr;
    if (request.group_id.empty() || shares || !exists(request.group_id)) {
        decision.response.error_code =
            request.group_id.empty() ? ErrorCode::invalid_group_id : ErrorCode::group_id_not_found;
        return decision;
    }
    const ClassicGroup* group = find(request.group_id);
    std::set<std::string> subscribed;
    if (group != nullptr && group->has_members()) {
        // Offsets of a living group may go only where it surely does not read.
        if (group->protocol_type() != "consumer" || !group->all_subscriptions_known()) {
            decision.response.error_code = ErrorCode::non_empty_group;
            return decision;
        }
        subscribed = group->subscribed_topics();
    }
    for (const auto& topic : request.topics) {
        bool is_read =
            subscribed.contains(topic.name) || modern_reads(request.group_id, topic.name);
        auto& answered = decision.response.topics.emplace_back();
        answered.name = topic.name;
        for (const auto& each : topic.partitions) {
            ErrorCode code = is_read ? ErrorCode::group_subscribed_to_topic : ErrorCode::none;
            answered.partitions.push_back(
                {.partition_index = each.partition_index, .error_code = code});
            if (code == ErrorCode::none &&
                (offset(request.group_id, topic.name, each.partition_index) != nullptr ||
                 is_unstable(request.group_id, topic.name, each.partition_index))) {
                decision.records.push_back(
                    offset_tombstone(request.group_id, topic.name, each.partition_index));
            }
        }
    }
    return decision;
}

Decision<int> GroupCoordinator::forget_topics(const std::set<std::string>& topics) const {
    Decision<int> decision{};
    for (const auto& [group, by_topic] : offsets_) {
        for (const auto& [topic, partitions] : by_topic) {
            if (!topics.contains(topic)) continue;
            for (const auto& [partition, offset] : partitions) {
                decision.records.push_back(offset_tombstone(group, topic, partition));
            }
        }
    }
    for (const TransactionalOffsets::Key& key : transactional_.of_topics(topics)) {
        if (offset(key.group, key.topic, key.partition) == nullptr)
            decision.records.push_back(offset_tombstone(key.group, key.topic, key.partition));
    }
    decision.response = static_cast<int>(decision.records.size());
    return decision;
}

// What others are told -------------------------------------------------------------------------

std::vector<ListGroupsResponse::ListedGroup> GroupCoordinator::list(
    const std::vector<std::string>& states, const std::vector<std::string>& types) const {
    std::vector<ListGroupsResponse::ListedGroup> listed;
    auto add = [&](const std::string& id, std::string protocol, std::string_view state,
                   std::string_view type) {
        if (!matches(states, state) || !matches(types, type)) return;
        listed.push_back({.group_id = id,
                          .protocol_type = std::move(protocol),
                          .group_state = std::string(state),
                          .group_type = std::string(type)});
    };
    for (const auto& [id, group] : groups_) {
        add(id, group->protocol_type().value_or(""), to_string(group->state()), "classic");
    }
    for (const auto& [id, group] : consumers_.all()) {
        add(id, "consumer", to_string(group.state()), "consumer");
    }
    for (const auto& [id, group] : shares_.all()) add(id, "share", group.state(), "share");
    for (const auto& [id, group] : streams_.all()) add(id, "streams", group.state(), "streams");
    for (const auto& [id, offsets] : offsets_) {
        if (groups_.contains(id) || is_modern(id)) continue;
        add(id, "", to_string(GroupState::empty), "classic");
    }
    return listed;
}

DescribeGroupsResponse::DescribedGroup GroupCoordinator::describe(
    const std::string& group_id) const {
    if (const ClassicGroup* group = find(group_id)) return group->describe();
    DescribeGroupsResponse::DescribedGroup described;
    described.group_id = group_id;
    if (is_modern(group_id)) {
        described.error_code = ErrorCode::group_id_not_found;
        described.error_message = fmt::format("Group {} is not a classic group.", group_id);
        described.group_state = to_string(GroupState::dead);
        return described;
    }
    if (exists(group_id)) {
        described.group_state = to_string(GroupState::empty);
        return described;
    }
    described.error_code = ErrorCode::group_id_not_found;
    described.error_message = fmt::format("Group {} not found.", group_id);
    described.group_state = to_string(GroupState::dead);
    return described;
}

Decision<ErrorCode> GroupCoordinator::delete_group(const std::string& group_id) const {
    if (!exists(group_id)) return {ErrorCode::group_id_not_found, {}};
    const ClassicGroup* group = find(group_id);
    if (group != nullptr && group->has_members()) return {ErrorCode::non_empty_group, {}};
    if (const ShareGroup* shares = shares_.find(group_id)) {
        if (!shares->members().empty()) return {ErrorCode::non_empty_group, {}};
        return {ErrorCode::none, ShareGroups::tombstones(*shares)};
    }
    const ConsumerGroup* consumers = consumers_.find(group_id);
    const StreamsGroup* streams = streams_.find(group_id);
    if ((consumers != nullptr && !consumers->members().empty()) ||
        (streams != nullptr && !streams->members().empty())) {
        return {ErrorCode::non_empty_group, {}};
    }
    Decision<ErrorCode> decision{ErrorCode::none, {}};
    if (const Offsets* topics = offsets(group_id)) {
        for (const auto& [topic, partitions] : *topics) {
            for (const auto& [partition, offset] : partitions) {
                decision.records.push_back(offset_tombstone(group_id, topic, partition));
            }
        }
    }
    // What open transactions would commit goes, too: it must not come back with their commit.
    for (const TransactionalOffsets::Key& key : transactional_.of(group_id)) {
        if (offset(group_id, key.topic, key.partition) == nullptr)
            decision.records.push_back(offset_tombstone(group_id, key.topic, key.partition));
    }
    if (!add_tombstones_if_empty(group_id, decision.records)) {
        decision.records.push_back(group_tombstone(group_id));
    }
    return decision;
}

}  // namespace millrace::groups
