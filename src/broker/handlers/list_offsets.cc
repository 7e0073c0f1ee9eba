// ListOffsets (key 2): the offset of a timestamp, or one of the special positions, of partitions
// that this node leads. Special positions that a version does not know are refused for their
// partition with UNSUPPORTED_VERSION. What lies beyond a high watermark that is lower than clients
// may have seen is OFFSET_NOT_AVAILABLE (KIP-207).

#include "protocol/list_offsets.h"

#include <set>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"

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

// A look-up in a partition, whose answer has its place already.
struct LookUp {
    Told* told = nullptr;
    TopicIdPartition id;
    Partition::ListTerms terms;
};

Task<void> look_up(PartitionRouter& router, LookUp wanted, std::int16_t version, Time deadline) {
    auto there = [&](Partitions& partitions) -> Task<Partition::ListedOffset> {
        std::shared_ptr<Partition> partition = partitions.find(wanted.id);
        if (!partition) {
            co_return Partition::ListedOffset{.error = partitions.absence_of(wanted.id)};
        }
        co_return co_await partition->list_offset(wanted.terms);
    };
    auto listed = co_await env::with_deadline(router.here(), deadline,
                                              router.on(router.owner(wanted.id), there));
    Told& told = *wanted.told;
    if (!listed) {
        told.error_code = ErrorCode::request_timed_out;
        auto note = [&](Partitions& partitions) -> Task<void> {
            std::shared_ptr<Partition> partition = partitions.find(wanted.id);
            if (partition && partition->remote_log()) partition->remote_log()->search_expired();
            co_return;
        };
        co_await router.on(router.owner(wanted.id), note);
        co_return;
    }
    bool too_new = listed->error == ErrorCode::offset_not_available && version < 5;
    told.error_code = too_new ? ErrorCode::leader_not_available : listed->error;
    told.timestamp = listed->timestamp;
    told.offset = listed->offset;
    told.leader_epoch = version < 4 ? -1 : listed->leader_epoch;
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

// A search of remote storage ends in time; other look-ups wait for nobody.
Time deadline_of(const ListOffsetsRequest& request, const Caller& caller,
                 const config::BrokerConfig& config) {
    std::int64_t ms = request.timeout_ms > 0 ? request.timeout_ms
                                             : config.remote_list_offsets_request_timeout_ms();
    return caller.request.received + Duration::milliseconds(ms);
}

Task<ListOffsetsResponse> answer(const ListOffsetsRequest& request, const Caller& caller,
                                 MetadataCache& cache, PartitionRouter& router,
                                 const config::BrokerConfig& config) {
    ListOffsetsResponse response;
    metadata::ImagePtr image = cache.image();
    auto twice = named_twice(request);
    std::set<std::pair<std::string_view, std::int32_t>> refused;
    std::vector<LookUp> wanted;
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image->topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        answered.partitions.reserve(topic.partitions.size());
        for (const auto& asked : topic.partitions) {
            std::pair<std::string_view, std::int32_t> key(topic.name, asked.partition_index);
            bool repeated = twice.contains(key);
            if (repeated && !refused.insert(key).second) continue;
            Told& told = answered.partitions.emplace_back();
            told.partition_index = asked.partition_index;
            if (repeated) {
                told.error_code = ErrorCode::invalid_request;
            } else if (known == nullptr || known->partition(asked.partition_index) == nullptr) {
                told.error_code = ErrorCode::unknown_topic_or_partition;
            } else if (!knows(caller.version(), asked.timestamp)) {
                told.error_code = ErrorCode::unsupported_version;
            } else {
                wanted.push_back({.told = &told,
                                  .id = {known->id, asked.partition_index},
                                  .terms = {.timestamp = asked.timestamp,
                                            .read_committed = request.isolation_level == 1,
                                            .from_replica = request.replica_id != -1,
                                            .current_leader_epoch = asked.current_leader_epoch}});
            }
        }
    }
    Time deadline = deadline_of(request, caller, config);
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (LookUp& each : wanted) {
            scope.spawn(look_up(router, std::move(each), caller.version(), deadline));
        }
        co_await scope.join();
    });
    co_return response;
}

}  // namespace

constinit const Handler handlers::list_offsets = serve<answer>;

}  // namespace millrace::broker
