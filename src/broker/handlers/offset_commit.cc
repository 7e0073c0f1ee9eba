// OffsetCommit (key 8): stores offsets of a group, by a member or from outside. Topics are named
// or, from version 10, given by id. Partitions that do not exist get their own error.

#include "protocol/offset_commit.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

using PartitionAnswer = OffsetCommitResponse::OffsetCommitResponsePartition;

// The commit of what exists, and for each of its partitions where its answer goes.
struct Sorted {
    groups::Commit commit;
    std::vector<std::pair<std::size_t, std::size_t>> places;
};

Sorted sort_out(const OffsetCommitRequest& request, const Caller& caller,
                const metadata::Image& image, Timestamp now, OffsetCommitResponse& response) {
    Sorted sorted{.commit = {.group_id = request.group_id,
                             .member_id = request.member_id,
                             .instance_id = request.group_instance_id,
                             .generation = request.generation_id_or_member_epoch,
                             .version = caller.version()}};
    bool by_id = caller.version() >= 10;
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = by_id ? image.topics.find(topic.topic_id)
                                             : image.topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        answered.topic_id = topic.topic_id;
        for (const auto& asked : topic.partitions) {
            PartitionAnswer& answer = answered.partitions.emplace_back();
            answer.partition_index = asked.partition_index;
            if (known == nullptr || known->partition(asked.partition_index) == nullptr) {
                answer.error_code = known == nullptr && by_id
                                        ? ErrorCode::unknown_topic_id
                                        : ErrorCode::unknown_topic_or_partition;
                continue;
            }
            sorted.commit.partitions.push_back(
                {known->name,
                 asked.partition_index,
                 {.offset = asked.committed_offset,
                  .leader_epoch = asked.committed_leader_epoch,
                  .metadata = asked.committed_metadata.value_or(""),
                  .commit_timestamp = now,
                  .expire_timestamp =
                      request.retention_time_ms < 0 ? -1 : now + request.retention_time_ms,
                  .topic_id = known->id}});
            sorted.places.emplace_back(response.topics.size() - 1, answered.partitions.size() - 1);
        }
    }
    return sorted;
}

Task<OffsetCommitResponse> answer(const OffsetCommitRequest& request, const Caller& caller,
                                  MetadataCache& cache, Groups& groups, env::Shard& shard) {
    OffsetCommitResponse response;
    Sorted sorted = sort_out(request, caller, *cache.image(), shard.wall_ms(), response);
    if (sorted.places.empty()) co_return response;
    std::size_t count = sorted.places.size();
    std::vector<ErrorCode> codes = co_await groups.with(
        request.group_id,
        [&](GroupHost& host) { return host.commit_offsets(std::move(sorted.commit)); },
        [&](ErrorCode error) { return std::vector<ErrorCode>(count, error); });
    for (std::size_t i = 0; i < count; ++i) {
        auto [topic, partition] = sorted.places[i];
        response.topics[topic].partitions[partition].error_code = codes[i];
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::offset_commit = serve<answer>;

}  // namespace millrace::broker
