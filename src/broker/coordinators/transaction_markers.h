#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/scope.h"
#include "broker/coordinators/marker_channel.h"
#include "broker/groups.h"
#include "broker/node.h"
#include "config/broker_config.h"
#include "core/transactions/transaction_coordinator.h"
#include "metrics/registry.h"

namespace millrace::broker {

// Brings the markers of transactions that are ending to the leaders of their partitions: those that
// this node leads itself without the network, others in one request a broker at a time.
class TransactionMarkers {
  public:
    struct Parts {
        env::Shard& shard;
        const Node& node;
        PartitionRouter& router;
        Groups& groups;
        MetadataCache& metadata;
        const config::BrokerConfig& config;
    };
    TransactionMarkers(const Parts& parts, metrics::Registry& registry);

    // Ends when each partition has the marker or is gone, however often its leader changes; false
    // when a later coordinator has written there.
    Task<bool> write(transactions::Ending ending, std::int32_t coordinator_epoch);
    Task<void> stop();
    // Completed transactions whose last record could not be appended yet.
    void count_append_retry(int change) { append_retries_ += change; }

  private:
    using TopicPartition = transactions::TopicPartition;
    using Outcomes = std::map<TopicPartition, ErrorCode>;
    // Where markers go; no_leader for partitions without one. What is deleted is left out.
    std::map<std::int32_t, std::vector<TopicPartition>> by_leader(
        const std::set<TopicPartition>& partitions) const;
    Task<void> write_here(const std::vector<TopicPartition>& partitions, TransactionEnd end,
                          Outcomes& outcomes);
    MarkerChannel& channel(std::int32_t broker);

    Parts parts_;
    std::map<std::int32_t, std::unique_ptr<MarkerChannel>> channels_;
    std::size_t without_leader_ = 0;
    int append_retries_ = 0;
    std::vector<metrics::Registry::Reading> readings_;
    Scope scope_;
};

}  // namespace millrace::broker
