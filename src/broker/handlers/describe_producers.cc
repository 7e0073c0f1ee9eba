// DescribeProducers (key 61): the producers that partitions led here remember (KIP-664).

#include "protocol/describe_producers.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"

namespace millrace::broker {
namespace {

using Told = DescribeProducersResponse::PartitionResponse;

Told describe(Partitions& partitions, TopicIdPartition id) {
    Told told{.partition_index = id.partition};
    std::shared_ptr<Partition> partition = partitions.find(id);
    told.error_code = partition ? partition->check_leader(-1) : partitions.absence_of(id);
    if (told.error_code != ErrorCode::none) return told;
    for (const auto& [producer_id, producer] : partition->log().producers().producers()) {
        told.active_producers.push_back({.producer_id = producer_id,
                                         .producer_epoch = producer.epoch,
                                         .last_sequence = producer.last_sequence(),
                                         .last_timestamp = producer.last_timestamp,
                                         .coordinator_epoch = producer.coordinator_epoch,
                                         .current_txn_start_offset = producer.transaction_start});
    }
    return told;
}

Task<DescribeProducersResponse> answer(const DescribeProducersRequest& request, const Caller&,
                                       MetadataCache& cache, PartitionRouter& router) {
    DescribeProducersResponse response;
    metadata::ImagePtr image = cache.image();
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image->topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        for (std::int32_t index : topic.partition_indexes) {
            if (known == nullptr || known->partition(index) == nullptr) {
                Told& told = answered.partitions.emplace_back();
                told.partition_index = index;
                told.error_code = ErrorCode::unknown_topic_or_partition;
                if (known == nullptr) told.error_message = meaning_of(told.error_code);
                continue;
            }
            TopicIdPartition id{known->id, index};
            answered.partitions.push_back(co_await router.on(
                router.owner(id),
                [&](Partitions& partitions) -> Task<Told> { co_return describe(partitions, id); }));
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_producers = serve<answer>;

}  // namespace millrace::broker
