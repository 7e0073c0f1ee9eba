// DeleteRecords (key 21): moves the log start of partitions forward; records below are gone for
// readers at once. -1 stands for the high watermark. Answers the new low watermark when all living
// replicas have followed, or REQUEST_TIMED_OUT.

#include "protocol/delete_records.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"

namespace millrace::broker {
namespace {

using Told = DeleteRecordsResponse::DeleteRecordsPartitionResult;

struct Deletion {
    Told* told = nullptr;
    TopicIdPartition id;
    storage::Offset offset = -1;
};

Task<Result<storage::Offset>> delete_in(Partitions& partitions, Deletion wanted, Time deadline) {
    std::shared_ptr<Partition> partition = partitions.find(wanted.id);
    if (!partition) co_return fail(partitions.absence_of(wanted.id));
    ASSIGN_OR_CO_RETURN(storage::Offset below, partition->delete_records(wanted.offset));
    co_return co_await partition->deleted_below(below, deadline);
}

Task<void> carry_out(PartitionRouter& router, Deletion wanted, Time deadline) {
    auto there = [&](Partitions& partitions) { return delete_in(partitions, wanted, deadline); };
    Result<storage::Offset> low = co_await router.on(router.owner(wanted.id), there);
    if (low) wanted.told->low_watermark = *low;
    wanted.told->error_code = low ? ErrorCode::none : low.error().code;
}

Task<DeleteRecordsResponse> answer(const DeleteRecordsRequest& request, const Caller& caller,
                                   MetadataCache& cache, PartitionRouter& router) {
    DeleteRecordsResponse response;
    metadata::ImagePtr image = cache.image();
    std::vector<Deletion> wanted;
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image->topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        answered.partitions.reserve(topic.partitions.size());
        for (const auto& asked : topic.partitions) {
            Told& told = answered.partitions.emplace_back();
            told.partition_index = asked.partition_index;
            told.low_watermark = -1;
            told.error_code = ErrorCode::unknown_topic_or_partition;
            if (known == nullptr || known->partition(asked.partition_index) == nullptr) continue;
            wanted.push_back({&told, {known->id, asked.partition_index}, asked.offset});
        }
    }
    Time deadline = caller.request.received + Duration::milliseconds(request.timeout_ms);
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (const Deletion& each : wanted) scope.spawn(carry_out(router, each, deadline));
        co_await scope.join();
    });
    co_return response;
}

}  // namespace

constinit const Handler handlers::delete_records = serve<answer>;

}  // namespace millrace::broker
