// WriteTxnMarkers (key 27): a transaction coordinator ends transactions in the partitions named:
// each gets a control batch that commits or aborts, on stable storage before it is answered.
//
// Answers are gathered by producer, so that of two markers for the same producer and partition only
// the later one's outcome is told. Markers of __consumer_offsets go by its groups, whose offsets
// they make count.

#include "protocol/write_txn_markers.h"

#include <map>
#include <set>

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Marker = WriteTxnMarkersRequest::WritableTxnMarker;
using TopicPartition = std::pair<std::string, std::int32_t>;
using Outcomes = std::map<std::int64_t, std::map<TopicPartition, ErrorCode>>;

struct Item {
    TopicIdPartition id;
    TransactionEnd end;
    ErrorCode* outcome = nullptr;
};

// What a request asks of this node, and the outcomes, into which items point.
struct Plan {
    Outcomes outcomes;
    std::map<int, std::vector<Item>> by_shard;
    std::vector<Item> of_groups;
    bool impossible = false;  // a marker that no log can hold fails the whole request, as at Apache
};

TransactionEnd transaction_end(const Marker& marker) {
    return {.producer_id = marker.producer_id,
            .producer_epoch = marker.producer_epoch,
            .coordinator_epoch = marker.coordinator_epoch,
            .transaction_version = marker.transaction_version,
            .committed = marker.transaction_result};
}

void plan_marker(const Marker& marker, const metadata::Image& image, const PartitionRouter& router,
                 Plan& plan) {
    std::set<TopicPartition> seen;
    for (const auto& topic : marker.topics) {
        const metadata::Topic* known = image.topics.find(std::string_view(topic.name));
        for (std::int32_t index : topic.partition_indexes) {
            TopicPartition name{topic.name, index};
            if (!seen.insert(name).second) continue;
            ErrorCode& outcome = plan.outcomes[marker.producer_id][name];
            if (known == nullptr || known->partition(index) == nullptr) {
                outcome = ErrorCode::unknown_topic_or_partition;
                continue;
            }
            plan.impossible |=
                marker.producer_id == no_producer_id || marker.producer_epoch == no_producer_epoch;
            Item item{{known->id, index}, transaction_end(marker), &outcome};
            bool of_groups = known->name == metadata::consumer_offsets_topic;
            (of_groups ? plan.of_groups : plan.by_shard[router.owner(item.id)]).push_back(item);
        }
    }
}

WriteTxnMarkersResponse tell(const Plan& plan) {
    WriteTxnMarkersResponse response;
    for (const auto& [producer_id, partitions] : plan.outcomes) {
        auto& marker = response.markers.emplace_back();
        marker.producer_id = producer_id;
        for (const auto& [name, error] : partitions) {
            if (marker.topics.empty() || marker.topics.back().name != name.first) {
                marker.topics.emplace_back().name = name.first;
            }
            marker.topics.back().partitions.push_back(
                {.partition_index = name.second,
                 .error_code = plan.impossible ? ErrorCode::unknown_server_error : error});
        }
    }
    return response;
}

Task<void> mark(Partitions& partitions, Item& item) {
    std::shared_ptr<Partition> partition = partitions.find(item.id);
    if (!partition || partition->has_failed()) {
        *item.outcome = ErrorCode::unknown_topic_or_partition;
        co_return;
    }
    Result<storage::Offset> appended = co_await partition->end_transaction(item.end);
    *item.outcome = appended ? ErrorCode::none : appended.error().code;
}

// Markers reach a partition in the order of the request; their syncs overlap.
Task<void> mark_all(Partitions& partitions, std::vector<Item>& items) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Item& item : items) scope.spawn(mark(partitions, item));
        co_await scope.join();
    });
}

Task<void> mark_groups(Groups& groups, Item& item) {
    *item.outcome = co_await groups.on_partition(
        item.id, [&](GroupHost& host) { return host.end_transaction(item.end); },
        [](ErrorCode) { return ErrorCode::not_leader_or_follower; });
}

Task<WriteTxnMarkersResponse> answer(const WriteTxnMarkersRequest& request, const Caller&,
                                     MetadataCache& cache, PartitionRouter& router,
                                     Groups& groups) {
    metadata::ImagePtr image = cache.image();
    Plan plan;
    for (const Marker& marker : request.markers) plan_marker(marker, *image, router, plan);
    if (!plan.impossible) {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (auto& [shard, items] : plan.by_shard) {
                scope.spawn(router.on(shard, [&items](Partitions& partitions) {
                    return mark_all(partitions, items);
                }));
            }
            for (Item& item : plan.of_groups) scope.spawn(mark_groups(groups, item));
            co_await scope.join();
        });
    }
    co_return tell(plan);
}

}  // namespace

constinit const Handler handlers::write_txn_markers = serve<answer>;

}  // namespace millrace::broker
