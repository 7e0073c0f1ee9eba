// DescribeShareGroupOffsets (key 90): where share groups start to read partitions, and how many
// records they have still to do with. Of all topics that a group has read where none are named.

#include "protocol/describe_share_group_offsets.h"

#include <map>
#include <set>

#include "base/scope.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_persister.h"
#include "broker/share/share_requests.h"

namespace millrace::broker {
namespace {

using Response = DescribeShareGroupOffsetsResponse;
using Told = Response::DescribeShareGroupOffsetsResponseGroup;
using ToldPartition = Response::DescribeShareGroupOffsetsResponsePartition;
using Asked = DescribeShareGroupOffsetsRequest::DescribeShareGroupOffsetsRequestGroup;
using Topics = groups::ShareStateTopics::Topics;

// Records behind its start offset that a group is done with are none that it lags behind.
Task<void> describe(SharePersister& persister, const std::string& group_id,
                    const std::string& topic, TopicIdPartition id, ToldPartition& told) {
    auto summary =
        co_await persister.summarize(share::ShareKey{group_id, id.topic_id, id.partition});
    told.start_offset = -1;
    if (summary.outcome.error != ErrorCode::none) co_return;
    told.leader_epoch = summary.leader_epoch;
    told.start_offset = summary.start_offset;
    if (summary.start_offset == -1 || summary.delivery_complete_count == -1) co_return;
    Result<share::Offset> end = co_await persister.end_of(topic, id);
    if (end) {
        told.lag = *end - summary.start_offset - summary.delivery_complete_count;
    } else {
        told = {.partition_index = id.partition,
                .error_code = end.error().code,
                .error_message = std::string(meaning_of(end.error().code))};
    }
}

// What the group has begun with; an error when its coordinator does not tell.
Task<std::expected<Topics, ErrorCode>> initialized(const std::string& group_id, Groups& groups) {
    using Found = std::expected<Topics, ErrorCode>;
    co_return co_await groups.with(
        group_id,
        [&](GroupHost& host) -> Task<Found> {
            ErrorCode error = co_await host.settled();
            if (error != ErrorCode::none) co_return std::unexpected(error);
            const groups::ShareGroup* group = host.coordinator().shares().find(group_id);
            co_return group == nullptr ? Topics() : group->state_topics().initialized;
        },
        [](ErrorCode error) { return Found(std::unexpected(error)); });
}

Task<Told> describe(const Asked& asked, const metadata::Image& image, Groups& groups,
                    SharePersister& persister) {
    Told told{.group_id = asked.group_id};
    std::vector<std::pair<std::string, std::vector<std::int32_t>>> wanted;
    if (asked.topics) {
        for (const auto& topic : *asked.topics)
            wanted.emplace_back(topic.topic_name, topic.partitions);
    } else {
        auto topics = co_await initialized(asked.group_id, groups);
        if (!topics) {
            told.error_code = topics.error();
            told.error_message = meaning_of(topics.error());
            co_return told;
        }
        for (const auto& [id, topic] : *topics) {
            if (image.topics.find(id) == nullptr) continue;
            wanted.push_back({topic.name, {topic.partitions.begin(), topic.partitions.end()}});
        }
    }
    for (const auto& [name, partitions] : wanted) {
        const metadata::Topic* topic = image.topics.find(std::string_view(name));
        auto& answered = told.topics.emplace_back();
        answered.topic_name = name;
        if (topic != nullptr) answered.topic_id = topic->id;
        for (std::int32_t partition : partitions)
            answered.partitions.push_back({.partition_index = partition, .start_offset = -1});
    }
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (auto& topic : told.topics) {
            if (topic.topic_id == Uuid()) continue;
            for (auto& partition : topic.partitions) {
                TopicIdPartition id{topic.topic_id, partition.partition_index};
                scope.spawn(describe(persister, asked.group_id, topic.topic_name, id, partition));
            }
        }
        co_await scope.join();
    });
    co_return told;
}

Task<Response> answer(const DescribeShareGroupOffsetsRequest& request, const Caller&,
                      MetadataCache& cache, Groups& groups, SharePersister& persister) {
    metadata::ImagePtr image = cache.image();
    bool served = serves_share_groups(*image);
    Response response;
    for (const Asked& asked : request.groups) {
        if (served) {
            response.groups.push_back(co_await describe(asked, *image, groups, persister));
        } else {
            response.groups.push_back(
                {.group_id = asked.group_id, .error_code = ErrorCode::unsupported_version});
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_share_group_offsets = serve<answer>;

}  // namespace millrace::broker
