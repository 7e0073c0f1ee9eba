// OffsetForLeaderEpoch (key 23): where a leader epoch ends in this leader's log, so that a client
// or follower finds where its own log or position parts from it (KIP-101, KIP-320).

#include "protocol/offset_for_leader_epoch.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"

namespace millrace::broker {
namespace {

using Told = OffsetForLeaderEpochResponse::EpochEndOffset;
using Asked = OffsetForLeaderEpochRequest::OffsetForLeaderPartition;

Told end_of(Partition& partition, const Asked& asked) {
    Told told{.partition = asked.partition};
    told.error_code = partition.check_leader(asked.current_leader_epoch);
    if (told.error_code != ErrorCode::none) return told;
    auto end = partition.log().epochs().end_of(asked.leader_epoch, partition.log().end_offset());
    if (!end) return told;
    told.leader_epoch = end->epoch;
    told.end_offset = end->end_offset;
    return told;
}

Task<OffsetForLeaderEpochResponse> answer(const OffsetForLeaderEpochRequest& request, const Caller&,
                                          MetadataCache& cache, PartitionRouter& router) {
    OffsetForLeaderEpochResponse response;
    metadata::ImagePtr image = cache.image();
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image->topics.find(std::string_view(topic.topic));
        auto& answered = response.topics.emplace_back();
        answered.topic = topic.topic;
        for (const Asked& asked : topic.partitions) {
            Told told{.partition = asked.partition};
            if (known == nullptr || known->partition(asked.partition) == nullptr) {
                told.error_code = ErrorCode::unknown_topic_or_partition;
                answered.partitions.push_back(told);
                continue;
            }
            TopicIdPartition id{known->id, asked.partition};
            told = co_await router.on(router.owner(id), [&](Partitions& partitions) -> Task<Told> {
                std::shared_ptr<Partition> partition = partitions.find(id);
                if (partition) co_return end_of(*partition, asked);
                co_return Told{.error_code = partitions.absence_of(id),
                               .partition = asked.partition};
            });
            answered.partitions.push_back(told);
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::offset_for_leader_epoch = serve<answer>;

}  // namespace millrace::broker
