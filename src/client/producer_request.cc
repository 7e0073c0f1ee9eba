#include "client/producer_request.h"

#include <limits>

namespace millrace::client {
namespace {

constexpr std::int16_t last_version_with_names = 12;

}  // namespace

ShipmentRequest::ShipmentRequest(const Shipment& shipment, const ClusterMetadata& metadata,
                                 std::int16_t acks, Duration timeout,
                                 const std::optional<std::string>& transactional_id)
    : shipment_(shipment), max_version_(std::numeric_limits<std::int16_t>::max()) {
    request_.transactional_id = transactional_id;
    request_.acks = acks;
    request_.timeout_ms = static_cast<std::int32_t>(timeout.ms());
    std::map<std::string_view, std::size_t> topics;  // to index in the request
    for (const Shipment::Item& item : shipment.items) {
        const TopicPartition& partition = *item.queue->partition();
        auto [at, added] = topics.emplace(partition.topic, request_.topic_data.size());
        if (added) {
            const TopicInfo* info = metadata.topic(std::string_view(partition.topic));
            Uuid id = info == nullptr ? Uuid() : info->id;
            if (id.is_zero()) max_version_ = last_version_with_names;
            names_.emplace(id, partition.topic);
            request_.topic_data.push_back({partition.topic, id, {}});
        }
        request_.topic_data[at->second].partition_data.push_back(
            {partition.partition, Chain(item.batch->sealed)});
    }
}

void ShipmentRequest::match(const ProduceResponse& response, const Answer& answer) const {
    std::map<std::pair<std::string_view, std::int32_t>,
             const ProduceResponse::PartitionProduceResponse*>
        told;
    for (const auto& topic : response.responses) {
        std::string_view name = topic.name;
        if (auto found = names_.find(topic.topic_id); name.empty() && found != names_.end())
            name = found->second;
        for (const auto& partition : topic.partition_responses)
            told.emplace(std::pair(name, partition.index), &partition);
    }
    for (const Shipment::Item& item : shipment_.items) {
        const TopicPartition& partition = *item.queue->partition();
        auto found = told.find({partition.topic, partition.partition});
        answer(item, found == told.end() ? nullptr : found->second);
    }
}

}  // namespace millrace::client
