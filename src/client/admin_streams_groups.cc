#include "client/admin_streams_groups.h"

#include <fmt/core.h>

#include "client/admin_calls.h"
#include "protocol/streams_group_describe.h"

namespace millrace::client {
namespace {

using Told = StreamsGroupDescribeResponse;
using Described = Outcomes<std::string, StreamsGroupDescription>;

std::vector<StreamsTasks> tasks_of(const std::vector<Told::TaskIds>& told) {
    std::vector<StreamsTasks> tasks;
    for (const auto& each : told) tasks.push_back({each.subtopology_id, each.partitions});
    return tasks;
}

StreamsAssignment assignment_of(const Told::Assignment& told) {
    return {tasks_of(told.active_tasks), tasks_of(told.standby_tasks), tasks_of(told.warmup_tasks)};
}

std::vector<std::string> names_of(const std::vector<Told::TopicInfo>& topics) {
    std::vector<std::string> names;
    for (const auto& topic : topics) names.push_back(topic.name);
    return names;
}

StreamsGroupDescription description_of(const Told::DescribedGroup& group,
                                       std::int32_t coordinator) {
    StreamsGroupDescription made{.id = group.group_id,
                                 .state = group.group_state,
                                 .epoch = group.group_epoch,
                                 .assignment_epoch = group.assignment_epoch,
                                 .coordinator = coordinator};
    if (group.topology) {
        made.topology_epoch = group.topology->epoch;
        if (group.topology->subtopologies) {
            for (const auto& each : *group.topology->subtopologies) {
                made.subtopologies.push_back({each.subtopology_id, each.source_topics,
                                              names_of(each.repartition_source_topics),
                                              names_of(each.state_changelog_topics)});
            }
        }
    }
    for (const auto& member : group.members) {
        made.members.push_back({.id = member.member_id,
                                .client_id = member.client_id,
                                .host = member.client_host,
                                .process_id = member.process_id,
                                .epoch = member.member_epoch,
                                .is_classic = member.is_classic,
                                .assignment = assignment_of(member.assignment),
                                .target = assignment_of(member.target_assignment)});
    }
    return made;
}

}  // namespace

Task<Described> describe_streams_groups(Admin& admin, std::vector<std::string> ids) {
    auto one = [&](std::int32_t coordinator, std::vector<std::string> groups) -> Task<Described> {
        StreamsGroupDescribeRequest request;
        request.group_ids = groups;
        auto reply = co_await call_over(admin.cluster().broker(coordinator), std::move(request));
        if (!reply) co_return all_failed<StreamsGroupDescription>(groups, reply.error());
        Described described;
        for (const auto& group : reply->response.groups) {
            auto verdict = verdict_about(fmt::format("group '{}'", group.group_id),
                                         group.error_code, group.error_message);
            if (verdict) {
                described.insert_or_assign(group.group_id, description_of(group, coordinator));
            } else {
                described.insert_or_assign(group.group_id, fail(std::move(verdict).error()));
            }
        }
        co_return described;
    };
    auto attempt = [&](std::vector<std::string> pending) {
        return ask_coordinators<StreamsGroupDescription>(admin, std::move(pending), one);
    };
    co_return co_await settle<StreamsGroupDescription>(admin, "describing streams groups",
                                                       std::move(ids), admin.deadline(), attempt);
}

}  // namespace millrace::client
