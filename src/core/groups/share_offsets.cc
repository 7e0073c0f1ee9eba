// Which partitions of a share group have their state with the share coordinators, and where they
// start; see share_groups.cc.

#include <algorithm>

#include "core/groups/share_groups.h"

namespace millrace::groups {
namespace {

using Topics = ShareStateTopics::Topics;

void add(Topics& to, const Topics& added) {
    for (const auto& [id, topic] : added) {
        auto& known = to[id];
        known.name = topic.name;
        known.partitions.insert(topic.partitions.begin(), topic.partitions.end());
    }
}

void take_away(Topics& from, const ShareStateRequest& request) {
    for (const auto& [id, partitions] : request.topics) {
        auto found = from.find(id);
        if (found == from.end()) continue;
        for (const auto& each : partitions) found->second.partitions.erase(each.partition);
        if (found->second.partitions.empty()) from.erase(found);
    }
}

std::vector<ShareStateRequest::Partition> all_of(const std::set<std::int32_t>& partitions) {
    std::vector<ShareStateRequest::Partition> all;
    for (std::int32_t partition : partitions) all.push_back({partition, -1});
    return all;
}

std::set<std::int32_t> partitions_of(const metadata::Topic& topic) {
    std::set<std::int32_t> partitions;
    for (const auto& [index, partition] : topic.partitions) partitions.insert(index);
    return partitions;
}

}  // namespace

std::vector<GroupRecord> ShareGroups::begin_initializing(const ShareGroup& group,
                                                         const Topics& topics, Time now) {
    ShareStateTopics state = group.state_topics();
    add(state.initializing, topics);
    Soft& soft = soft_[group.id()];
    for (const auto& [id, topic] : topics) {
        state.deleting.erase(id);
        soft.initializing_since[id] = now;
    }
    return {share_state_topics_record(group.id(), state)};
}

std::vector<GroupRecord> ShareGroups::initialized(const ShareStateRequest& request) const {
    const ShareGroup* group = find(request.group_id);
    if (group == nullptr || request.topics.empty()) return {};
    ShareStateTopics state = group->state_topics();
    take_away(state.initializing, request);
    for (const auto& [id, partitions] : request.topics) {
        const metadata::Topic* topic = image_->topics.find(id);
        if (topic == nullptr) continue;
        auto& known = state.initialized[id];
        known.name = topic->name;
        for (const auto& each : partitions) known.partitions.insert(each.partition);
    }
    return {share_state_topics_record(group->id(), state)};
}

std::vector<GroupRecord> ShareGroups::not_initialized(const ShareStateRequest& request) const {
    const ShareGroup* group = find(request.group_id);
    if (group == nullptr || group->state_topics().initializing.empty()) return {};
    ShareStateTopics state = group->state_topics();
    take_away(state.initializing, request);
    return {share_state_topics_record(group->id(), state)};
}

std::vector<GroupRecord> ShareGroups::removed(const ShareStateRequest& request) const {
    const ShareGroup* group = find(request.group_id);
    if (group == nullptr) return {};
    ShareStateTopics state = group->state_topics();
    for (const auto& [id, partitions] : request.topics) state.deleting.erase(id);
    return {share_state_topics_record(group->id(), state)};
}

Result<ShareGroups::AlterDecision> ShareGroups::alter_offsets(
    const ShareGroup& group, const AlterShareGroupOffsetsRequest& request, Time now) {
    if (!group.members().empty()) {
        return fail(ErrorCode::non_empty_group,
                    std::string(meaning_of(ErrorCode::non_empty_group)));
    }
    AlterDecision decision;
    decision.initialize = {
        .group_id = group.id(), .state_epoch = group.epoch().epoch, .topics = {}};
    Topics topics;
    for (const auto& asked : request.topics) {
        const metadata::Topic* topic = image_->topics.find(std::string_view(asked.topic_name));
        auto& told = decision.response.responses.emplace_back();
        told.topic_name = asked.topic_name;
        if (topic != nullptr) told.topic_id = topic->id;
        for (const auto& partition : asked.partitions) {
            auto& answered = told.partitions.emplace_back();
            answered.partition_index = partition.partition_index;
            if (topic == nullptr || topic->partition(partition.partition_index) == nullptr) {
                answered.error_code = ErrorCode::unknown_topic_or_partition;
                answered.error_message = meaning_of(ErrorCode::unknown_topic_or_partition);
                continue;
            }
            decision.initialize->topics[topic->id].push_back(
                {partition.partition_index, partition.start_offset});
            topics[topic->id].name = topic->name;
            topics[topic->id].partitions.insert(partition.partition_index);
        }
    }
    if (!topics.empty()) decision.records = begin_initializing(group, topics, now);
    return decision;
}

ShareGroups::DeleteDecision ShareGroups::delete_offsets(
    const ShareGroup& group, const DeleteShareGroupOffsetsRequest& request) const {
    DeleteDecision decision;
    ShareStateTopics state = group.state_topics();
    decision.remove = {.group_id = group.id(), .topics = {}};
    for (const auto& asked : request.topics) {
        const metadata::Topic* topic = image_->topics.find(std::string_view(asked.topic_name));
        auto refuse = [&](std::string why) {
            decision.response.responses.push_back(
                {.topic_name = asked.topic_name,
                 .error_code = ErrorCode::unknown_topic_or_partition,
                 .error_message = std::move(why)});
        };
        if (topic == nullptr) {
            refuse(std::string(meaning_of(ErrorCode::unknown_topic_or_partition)));
        } else if (auto found = state.initialized.find(topic->id);
                   found != state.initialized.end()) {
            decision.remove->topics[topic->id] = all_of(found->second.partitions);
            state.initialized.erase(found);
            state.deleting[topic->id] = topic->name;
        } else if (state.deleting.contains(topic->id)) {
            decision.remove->topics[topic->id] = all_of(partitions_of(*topic));
        } else {
            refuse("There is no offset information to delete.");
        }
    }
    if (!decision.remove->topics.empty())
        decision.records.push_back(share_state_topics_record(group.id(), state));
    return decision;
}

ShareDecision<ErrorCode> ShareGroups::begin_deletion(const ShareGroup& group) const {
    ShareDecision<ErrorCode> decision{.response = ErrorCode::none, .records = {}};
    if (!group.members().empty()) {
        decision.response = ErrorCode::non_empty_group;
        return decision;
    }
    const ShareStateTopics& state = group.state_topics();
    Topics going = state.initialized;
    add(going, state.initializing);
    for (const auto& [id, name] : state.deleting) {
        const metadata::Topic* topic = image_->topics.find(id);
        if (topic != nullptr) add(going, {{id, {topic->name, partitions_of(*topic)}}});
    }
    ShareStateTopics next;
    ShareStateRequest request{.group_id = group.id(), .topics = {}};
    for (const auto& [id, topic] : going) {
        // The state of a deleted topic goes with it.
        if (image_->topics.find(id) == nullptr) continue;
        next.deleting[id] = topic.name;
        request.topics[id] = all_of(topic.partitions);
    }
    if (next != state) decision.records.push_back(share_state_topics_record(group.id(), next));
    if (!request.topics.empty()) decision.remove = std::move(request);
    return decision;
}

std::vector<GroupRecord> ShareGroups::forget_topics(const std::set<Uuid>& topics) const {
    std::vector<GroupRecord> records;
    for (const auto& [id, group] : groups_) {
        ShareStateTopics state = group.state_topics();
        auto is_gone = [&](const auto& entry) { return topics.contains(entry.first); };
        std::erase_if(state.initializing, is_gone);
        std::erase_if(state.initialized, is_gone);
        std::erase_if(state.deleting, is_gone);
        if (state != group.state_topics()) records.push_back(share_state_topics_record(id, state));
    }
    return records;
}

}  // namespace millrace::groups
