// What streams groups say to commits and fetches of offsets, and what others are told of them.

#include <algorithm>

#include "core/groups/java_order.h"
#include "core/groups/streams_groups.h"

namespace millrace::groups {
namespace {

using Told = StreamsGroupDescribeResponse;

std::vector<Told::TaskIds> told_of(const Tasks& tasks) {
    std::vector<Told::TaskIds> told;
    for (const auto& [subtopology, partitions] : tasks)
        told.push_back({subtopology, {partitions.begin(), partitions.end()}});
    return told;
}

std::vector<Told::TaskIds> told_of(const EpochTasks& tasks) {
    std::vector<Told::TaskIds> told;
    for (const auto& [subtopology, partitions] : tasks) {
        auto& each = told.emplace_back();
        each.subtopology_id = subtopology;
        for (const auto& [partition, epoch] : partitions) each.partitions.push_back(partition);
    }
    return told;
}

Told::Member described(const StreamsMember& member, const TaskAssignment& target) {
    Told::Member told{.member_id = member.id,
                      .member_epoch = member.epoch,
                      .instance_id = member.instance_id,
                      .rack_id = member.rack,
                      .client_id = member.client.id,
                      .client_host = member.client.host,
                      .topology_epoch = member.topology_epoch,
                      .process_id = member.process_id};
    if (member.endpoint) {
        told.user_endpoint.emplace();
        told.user_endpoint->host = member.endpoint->host;
        told.user_endpoint->port = member.endpoint->port;
    }
    for (const auto& [key, value] : member.tags) told.client_tags.push_back({key, value});
    put_in_table_order(told.client_tags, grown_table(told.client_tags.size()),
                       [](const auto& each) -> std::string_view { return each.key; });
    told.assignment = {told_of(member.assigned.active), told_of(member.assigned.standby),
                       told_of(member.assigned.warmup)};
    told.target_assignment = {told_of(target.active), told_of(target.standby),
                              told_of(target.warmup)};
    return told;
}

Told::TopicInfo described(const std::string& name, const ConfiguredTopology::InternalTopic& topic) {
    Told::TopicInfo told{.name = name,
                         .partitions = topic.partitions,
                         .replication_factor = topic.replication_factor};
    for (const auto& [key, value] : topic.configs) told.topic_configs.push_back({key, value});
    put_in_table_order(told.topic_configs, grown_table(told.topic_configs.size()),
                       [](const auto& each) -> std::string_view { return each.key; });
    return told;
}

std::vector<Told::TopicInfo> described(const std::vector<StreamsTopology::TopicInfo>& topics) {
    std::vector<Told::TopicInfo> told;
    for (const auto& topic : topics) {
        Told::TopicInfo& each = told.emplace_back();
        each.name = topic.name;
        each.partitions = topic.partitions;
        each.replication_factor = topic.replication_factor;
        for (const auto& config : topic.topic_configs)
            each.topic_configs.push_back({config.key, config.value});
    }
    std::ranges::sort(told, {}, [](const auto& each) { return each.name; });
    return told;
}

std::vector<Told::TopicInfo> described(
    const std::map<std::string, ConfiguredTopology::InternalTopic>& topics) {
    std::vector<Told::TopicInfo> told;
    for (const auto& [name, topic] : topics) told.push_back(described(name, topic));
    return told;
}

Told::Topology described(const StreamsTopology& topology) {
    Told::Topology told{.epoch = topology.epoch};
    told.subtopologies.emplace();
    for (const StreamsTopology::Subtopology* each : by_id(topology)) {
        auto& entry = told.subtopologies->emplace_back();
        entry.subtopology_id = each->subtopology_id;
        entry.source_topics = each->source_topics;
        std::ranges::sort(entry.source_topics);
        entry.repartition_sink_topics = each->repartition_sink_topics;
        std::ranges::sort(entry.repartition_sink_topics);
        entry.state_changelog_topics = described(each->state_changelog_topics);
        entry.repartition_source_topics = described(each->repartition_source_topics);
    }
    return told;
}

Told::Topology described(const ConfiguredTopology& topology) {
    Told::Topology told{.epoch = topology.epoch};
    told.subtopologies.emplace();
    for (const auto& [id, each] : topology.subtopologies) {
        auto& entry = told.subtopologies->emplace_back();
        entry.subtopology_id = id;
        entry.source_topics = {each.source_topics.begin(), each.source_topics.end()};
        entry.repartition_sink_topics = {each.repartition_sink_topics.begin(),
                                         each.repartition_sink_topics.end()};
        entry.state_changelog_topics = described(each.changelog_topics);
        entry.repartition_source_topics = described(each.repartition_source_topics);
    }
    return told;
}

// The epoch in which the member was assigned a task that it has, or must give back.
std::optional<std::int32_t> epoch_of(const StreamsMember& member, const std::string& subtopology,
                                     std::int32_t partition) {
    for (const AssignedTasks* had : {&member.assigned, &member.pending_revocation}) {
        auto tasks = had->active.find(subtopology);
        if (tasks == had->active.end()) continue;
        auto since = tasks->second.find(partition);
        if (since != tasks->second.end()) return since->second;
    }
    return std::nullopt;
}

}  // namespace

CommitCheck StreamsGroups::check_commit(const StreamsGroup& group, const std::string& member_id,
                                        const std::optional<std::string>& instance_id,
                                        std::int32_t epoch, std::int16_t version,
                                        bool transactional) {
    if (epoch < 0 && group.members().empty()) return {};
    // A transactional producer without a consumer.
    if (transactional && epoch == -1 && member_id.empty() && !instance_id) return {};
    const StreamsMember* member = group.find(member_id);
    if (member == nullptr) return {.whole = ErrorCode::unknown_member_id};
    if (!transactional && version < 9) return {.whole = ErrorCode::unsupported_version};
    if (epoch == member->epoch) return {};
    // Transactional producers know of no other code.
    ErrorCode stale = transactional ? ErrorCode::illegal_generation : ErrorCode::stale_member_epoch;
    if (epoch > member->epoch || !group.topology()) return {.whole = stale};
    // An older epoch will do for the tasks that the member has had since then.
    return {.partition = [member, &group, epoch, stale](const std::string& topic, const Uuid&,
                                                        std::int32_t partition) {
        const auto* subtopology = subtopology_that_reads(*group.topology(), topic);
        if (subtopology == nullptr) return stale;
        auto since = epoch_of(*member, subtopology->subtopology_id, partition);
        return since && *since <= epoch ? ErrorCode::none : stale;
    }};
}

Result<> StreamsGroups::check_fetch(const StreamsGroup& group,
                                    const std::optional<std::string>& member_id,
                                    std::int32_t epoch) {
    if (!member_id && epoch < 0) return {};
    const StreamsMember* member = group.find(member_id.value_or(""));
    if (member == nullptr) return fail(ErrorCode::unknown_member_id);
    if (member->epoch == epoch) return {};
    return fail(ErrorCode::stale_member_epoch);
}

Told::DescribedGroup StreamsGroups::describe(const StreamsGroup& group) const {
    Told::DescribedGroup told;
    told.group_id = group.id();
    told.group_state = group.state();
    told.group_epoch = group.epoch().epoch;
    told.assignment_epoch = group.target_epoch().epoch;
    auto soft = soft_.find(group.id());
    bool is_ready =
        soft != soft_.end() && soft->second.configured && soft->second.configured->is_ready();
    if (is_ready) {
        told.topology = described(*soft->second.configured);
    } else if (group.topology()) {
        told.topology = described(*group.topology());
    }
    for (const auto& [id, member] : group.members())
        told.members.push_back(described(member, group.target_of(id)));
    return told;
}

}  // namespace millrace::groups
