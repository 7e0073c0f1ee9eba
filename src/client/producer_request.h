#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/uuid.h"
#include "client/accumulator.h"
#include "client/cluster_metadata.h"
#include "protocol/produce.h"

namespace millrace::client {

// The Produce request of one shipment, and which batch an answer is about.
class ShipmentRequest {
  public:
    ShipmentRequest(const Shipment& shipment, const ClusterMetadata& metadata, std::int16_t acks,
                    Duration timeout, const std::optional<std::string>& transactional_id = {});

    const ProduceRequest& request() const { return request_; }
    // Versions from 13 on name topics by id; a topic whose id is not known cannot be named so.
    std::int16_t max_version() const { return max_version_; }

    // Calls `answer` for each batch with what the response tells of it; nullptr: nothing.
    using Answer = std::function<void(const Shipment::Item&,
                                      const ProduceResponse::PartitionProduceResponse*)>;
    void match(const ProduceResponse& response, const Answer& answer) const;

  private:
    const Shipment& shipment_;
    ProduceRequest request_;
    std::int16_t max_version_;
    std::map<Uuid, std::string_view> names_;
};

}  // namespace millrace::client
