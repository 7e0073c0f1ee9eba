// DeleteRecords (key 21): moves the log start of partitions forward; records below are gone for
// readers at once. -1 stands for the high watermark. Answers the new low watermark.

#include "protocol/delete_records.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"

namespace millrace::broker {
namespace {

using Told = DeleteRecordsResponse::DeleteRecordsPartitionResult;

Task<Told> delete_in(Partitions& partitions, TopicIdPartition id, storage::Offset offset) {
    Told told{.partition_index = id.partition, .low_watermark = -1};
    std::shared_ptr<Partition> partition = partitions.find(id);
    Result<storage::Offset> start = partition
                                        ? partition->delete_records(offset)
                                        : Result<storage::Offset>(fail(partitions.absence_of(id)));
    if (start) {
        told.low_watermark = *start;
    } else {
        told.error_code = start.error().code;
    }
    co_return told;
}

Task<DeleteRecordsResponse> answer(const DeleteRecordsRequest& request, const Caller&,
                                   MetadataCache& cache, PartitionRouter& router) {
    DeleteRecordsResponse response;
    metadata::ImagePtr image = cache.image();
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image->topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        for (const auto& asked : topic.partitions) {
            Told told{.partition_index = asked.partition_index,
                      .low_watermark = -1,
                      .error_code = ErrorCode::unknown_topic_or_partition};
            if (known != nullptr && known->partition(asked.partition_index) != nullptr) {
                TopicIdPartition id{known->id, asked.partition_index};
                told = co_await router.on(router.owner(id), [&](Partitions& partitions) {
                    return delete_in(partitions, id, asked.offset);
                });
            }
            answered.partitions.push_back(told);
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::delete_records = serve<answer>;

}  // namespace millrace::broker
