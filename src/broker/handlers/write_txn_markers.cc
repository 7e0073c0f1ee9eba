// WriteTxnMarkers (key 27): a transaction coordinator ends transactions in the partitions named:
// each gets a control batch that commits or aborts, on stable storage before it is answered.
//
// Answers are gathered by producer, so that of two markers for the same producer and partition only
// the later one's outcome is told. Markers of __consumer_offsets go by its groups, whose offsets
// they make count.

#include "protocol/write_txn_markers.h"

#include <map>
#include <set>

#include "broker/coordinators/local_markers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Marker = WriteTxnMarkersRequest::WritableTxnMarker;
using TopicPartition = std::pair<std::string, std::int32_t>;
using Outcomes = std::map<std::int64_t, std::map<TopicPartition, ErrorCode>>;

// What a request asks of this node, and the outcomes, into which the markers point.
struct Plan {
    Outcomes outcomes;
    std::vector<LocalMarker> markers;
    bool impossible = false;  // a marker that no log can hold fails the whole request, as at Apache
};

TransactionEnd transaction_end(const Marker& marker) {
    return {.producer_id = marker.producer_id,
            .producer_epoch = marker.producer_epoch,
            .coordinator_epoch = marker.coordinator_epoch,
            .transaction_version = marker.transaction_version,
            .committed = marker.transaction_result};
}

void plan_marker(const Marker& marker, const metadata::Image& image, Plan& plan) {
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
            plan.markers.push_back({{known->id, index},
                                    known->name == metadata::consumer_offsets_topic,
                                    transaction_end(marker),
                                    &outcome});
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

Task<WriteTxnMarkersResponse> answer(const WriteTxnMarkersRequest& request, const Caller&,
                                     MetadataCache& cache, PartitionRouter& router,
                                     Groups& groups) {
    metadata::ImagePtr image = cache.image();
    Plan plan;
    for (const Marker& marker : request.markers) plan_marker(marker, *image, plan);
    if (!plan.impossible) co_await write_markers_here(router, groups, plan.markers);
    co_return tell(plan);
}

}  // namespace

constinit const Handler handlers::write_txn_markers = serve<answer>;

}  // namespace millrace::broker
