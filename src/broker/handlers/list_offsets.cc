// ListOffsets (key 2): the offset of a timestamp, or one of the special positions, of partitions
// that this node leads. Special positions that a version does not know are refused for their
// partition with UNSUPPORTED_VERSION.

#include "protocol/list_offsets.h"

#include <set>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"

namespace millrace::broker {
namespace {

using Told = ListOffsetsResponse::ListOffsetsPartitionResponse;

// The version that brought each special timestamp (-1 and -2 were always there).
bool knows(std::int16_t version, Timestamp timestamp) {
    switch (timestamp) {
        case -3:
            return version >= 7;
        case -4:
            return version >= 8;
        case -5:
            return version >= 9;
        case -6:
            return version >= 11;
        default:
            return timestamp >= -2;
    }
}

Task<Told> list_one(PartitionRouter& router, TopicIdPartition id, Partition::ListTerms terms) {
    co_return co_await router.on(router.owner(id), [&](Partitions& partitions) -> Task<Told> {
        std::shared_ptr<Partition> partition = partitions.find(id);
        if (!partition) {
            co_return Told{.partition_index = id.partition,
                           .error_code = partitions.absence_of(id)};
        }
        Partition::ListedOffset listed = co_await partition->list_offset(terms);
        co_return Told{.partition_index = id.partition,
                       .error_code = listed.error,
                       .timestamp = listed.timestamp,
                       .offset = listed.offset,
                       .leader_epoch = listed.leader_epoch};
    });
}

// Partitions that the request names more than once: each is refused, once.
std::set<std::pair<std::string_view, std::int32_t>> named_twice(const ListOffsetsRequest& request) {
    std::set<std::pair<std::string_view, std::int32_t>> seen, twice;
    for (const auto& topic : request.topics) {
        for (const auto& each : topic.partitions) {
            std::pair<std::string_view, std::int32_t> key(topic.name, each.partition_index);
            if (!seen.insert(key).second) twice.insert(key);
        }
    }
    return twice;
}

Task<ListOffsetsResponse> answer(const ListOffsetsRequest& request, const Caller& caller,
                                 MetadataCache& cache, PartitionRouter& router) {
    ListOffsetsResponse response;
    metadata::ImagePtr image = cache.image();
    auto twice = named_twice(request);
    std::set<std::pair<std::string_view, std::int32_t>> refused;
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image->topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        for (const auto& asked : topic.partitions) {
            Told told{.partition_index = asked.partition_index};
            std::pair<std::string_view, std::int32_t> key(topic.name, asked.partition_index);
            if (twice.contains(key)) {
                if (!refused.insert(key).second) continue;
                told.error_code = ErrorCode::invalid_request;
            } else if (known == nullptr || known->partition(asked.partition_index) == nullptr) {
                told.error_code = ErrorCode::unknown_topic_or_partition;
            } else if (!knows(caller.version(), asked.timestamp)) {
                told.error_code = ErrorCode::unsupported_version;
            } else {
                told = co_await list_one(router, {known->id, asked.partition_index},
                                         {.timestamp = asked.timestamp,
                                          .read_committed = request.isolation_level == 1,
                                          .from_replica = request.replica_id != -1,
                                          .current_leader_epoch = asked.current_leader_epoch});
            }
            if (caller.version() < 4) told.leader_epoch = -1;
            answered.partitions.push_back(std::move(told));
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::list_offsets = serve<answer>;

}  // namespace millrace::broker
