#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/partitions/topic_meter.h"
#include "metrics/registry.h"

namespace millrace::broker {

class Partition;

// BrokerTopicMetrics of one topic on one shard, and of all topics.
class TopicMetrics {
  public:
    TopicMetrics(metrics::Registry& registry, std::string topic);
    // The last partition of the topic has left the shard: its figures go.
    ~TopicMetrics();

    void produce_request();
    void fetch_request();
    void produced(std::uint64_t records, std::uint64_t bytes);
    void fetched(std::uint64_t bytes);
    void replica_fetched(std::uint64_t bytes);
    void produce_failed(std::uint64_t bytes);
    void fetch_failed();
    void produce_expired();  // its replicas did not have the records in time
    void began_behind_remote(std::uint64_t times);

  private:
    metrics::Registry& registry_;
    std::string topic_;
    TopicMeter produce_requests_, fetch_requests_, records_in_, bytes_in_, bytes_out_;
    metrics::Meter& bytes_rejected_;
    metrics::Meter& produce_failures_;
    metrics::Meter& fetch_failures_;
    metrics::Meter& replication_bytes_out_;
    metrics::Meter& produces_expired_;
};

// The figures of one shard's partitions.
class PartitionMetrics {
  public:
    explicit PartitionMetrics(metrics::Registry& registry) : registry_(registry) {}

    std::shared_ptr<TopicMetrics> topic(const std::string& name);
    metrics::Timer& log_syncs();  // of all logs
    // Gauges of the partition's log and replicas, for as long as they are held.
    std::vector<metrics::Registry::Reading> watch(Partition& partition);

  private:
    metrics::Registry& registry_;
    std::map<std::string, std::weak_ptr<TopicMetrics>, std::less<>> topics_;
};

}  // namespace millrace::broker
