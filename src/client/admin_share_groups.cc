#include "client/admin_share_groups.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/alter_share_group_offsets.h"
#include "protocol/delete_share_group_offsets.h"
#include "protocol/describe_share_group_offsets.h"
#include "protocol/share_group_describe.h"

namespace millrace::client {
namespace {

using Groups = std::vector<std::string>;
using Described = Outcomes<std::string, ShareGroupDescription>;
using Offsets = Outcomes<TopicPartition, ShareOffset>;

std::string about(std::string_view group) { return fmt::format("share group '{}'", group); }

ShareGroupDescription description_of(const ShareGroupDescribeResponse::DescribedGroup& group,
                                     std::int32_t coordinator) {
    ShareGroupDescription made{.id = group.group_id,
                               .state = group.group_state,
                               .epoch = group.group_epoch,
                               .assignment_epoch = group.assignment_epoch,
                               .coordinator = coordinator,
                               .members = {}};
    for (const auto& member : group.members) {
        auto& described = made.members.emplace_back();
        described.id = member.member_id;
        described.client_id = member.client_id;
        described.host = member.client_host;
        described.epoch = member.member_epoch;
        for (const auto& topic : member.assignment.topic_partitions) {
            for (std::int32_t index : topic.partitions)
                described.assignment.push_back({topic.topic_name, index});
        }
        std::ranges::sort(described.assignment);
    }
    std::ranges::sort(made.members, {}, &ShareMemberDescription::id);
    return made;
}

// One request to a group's coordinator, again as long as its error may pass. The answer's error is
// what `check(Response)` gives.
template <typename Request, typename Check>
Task<Result<Reply<typename Request::Response>>> ask_coordinator(Admin& admin, std::string group,
                                                                Request request, Check check) {
    Cluster& cluster = admin.cluster();
    auto connect = [&] { return cluster.coordinator(CoordinatorType::group, group); };
    auto heed = [&](const typename Request::Response& response) -> Result<> {
        Result<> verdict = check(response);
        if (!verdict && is_about_coordinator(verdict.error().code))
            cluster.forget_coordinator(CoordinatorType::group, group);
        return verdict;
    };
    co_return co_await ask(admin, about(group), connect, std::move(request), heed);
}

}  // namespace

Task<Described> describe_share_groups(Admin& admin, std::vector<std::string> ids) {
    auto one = [&](std::int32_t coordinator, Groups groups) -> Task<Described> {
        ShareGroupDescribeRequest request;
        request.group_ids = groups;
        auto reply = co_await call_over(admin.cluster().broker(coordinator), std::move(request));
        if (!reply) co_return all_failed<ShareGroupDescription>(groups, reply.error());
        Described described;
        for (const auto& group : reply->response.groups) {
            auto verdict =
                verdict_about(about(group.group_id), group.error_code, group.error_message);
            if (verdict) {
                described.insert_or_assign(group.group_id, description_of(group, coordinator));
            } else {
                described.insert_or_assign(group.group_id, fail(std::move(verdict).error()));
            }
        }
        co_return described;
    };
    auto attempt = [&](Groups pending) -> Task<Described> {
        ByCoordinator found = co_await by_coordinator(admin.cluster(), std::move(pending));
        Described described;
        for (auto& [group, error] : found.failed) described.emplace(group, fail(std::move(error)));
        std::vector<Task<Described>> questions;
        for (auto& [coordinator, groups] : found.coordinators)
            questions.push_back(one(coordinator, std::move(groups)));
        for (auto& answer : co_await gather(std::move(questions))) described.merge(answer);
        forget_moved(admin.cluster(), described);
        co_return described;
    };
    co_return co_await settle<ShareGroupDescription>(admin, "describing share groups",
                                                     std::move(ids), admin.deadline(), attempt);
}

Task<Result<Offsets>> list_share_group_offsets(Admin& admin, std::string group) {
    DescribeShareGroupOffsetsRequest request;
    auto& asked = request.groups.emplace_back();
    asked.group_id = group;
    asked.topics.reset();
    auto check = [&](const DescribeShareGroupOffsetsResponse& response) -> Result<> {
        for (const auto& told : response.groups)
            RETURN_IF_ERROR(verdict_about(about(group), told.error_code, told.error_message));
        return {};
    };
    ASSIGN_OR_CO_RETURN(auto reply,
                        co_await ask_coordinator(admin, group, std::move(request), check));
    Offsets offsets;
    for (const auto& told : reply.response.groups) {
        for (const auto& topic : told.topics) {
            for (const auto& partition : topic.partitions) {
                TopicPartition name{topic.topic_name, partition.partition_index};
                auto verdict =
                    verdict_about(to_string(name), partition.error_code, partition.error_message);
                if (!verdict) {
                    offsets.insert_or_assign(name, fail(std::move(verdict).error()));
                    continue;
                }
                ShareOffset offset{partition.start_offset, partition.leader_epoch, std::nullopt};
                if (partition.lag >= 0) offset.lag = partition.lag;
                offsets.insert_or_assign(name, offset);
            }
        }
    }
    co_return offsets;
}

Task<Outcomes<TopicPartition>> alter_share_group_offsets(
    Admin& admin, std::string group, std::map<TopicPartition, std::int64_t> offsets) {
    AlterShareGroupOffsetsRequest request;
    request.group_id = group;
    for (const auto& [name, offset] : offsets) {
        if (request.topics.empty() || request.topics.back().topic_name != name.topic)
            request.topics.emplace_back().topic_name = name.topic;
        request.topics.back().partitions.push_back({name.partition, offset});
    }
    auto check = [&](const AlterShareGroupOffsetsResponse& response) {
        return verdict_about(about(group), response.error_code, response.error_message);
    };
    auto reply = co_await ask_coordinator(admin, group, std::move(request), check);
    if (!reply) co_return all_failed<void>(keys_of(offsets), reply.error());
    Outcomes<TopicPartition> altered;
    for (const auto& topic : reply->response.responses) {
        for (const auto& partition : topic.partitions) {
            TopicPartition name{topic.topic_name, partition.partition_index};
            altered.insert_or_assign(name, verdict_about(to_string(name), partition.error_code,
                                                         partition.error_message));
        }
    }
    co_return altered;
}

Task<Result<Outcomes<std::string>>> delete_share_group_offsets(Admin& admin, std::string group,
                                                               std::vector<std::string> topics) {
    DeleteShareGroupOffsetsRequest request;
    request.group_id = group;
    for (const std::string& topic : topics) request.topics.emplace_back().topic_name = topic;
    auto check = [&](const DeleteShareGroupOffsetsResponse& response) {
        return verdict_about(about(group), response.error_code, response.error_message);
    };
    ASSIGN_OR_CO_RETURN(auto reply,
                        co_await ask_coordinator(admin, group, std::move(request), check));
    Outcomes<std::string> deleted;
    for (const auto& topic : reply.response.responses)
        deleted.insert_or_assign(topic.topic_name,
                                 verdict_about(fmt::format("topic '{}'", topic.topic_name),
                                               topic.error_code, topic.error_message));
    co_return deleted;
}

}  // namespace millrace::client
