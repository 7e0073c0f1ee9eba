#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/share/share_types.h"
#include "metrics/registry.h"

namespace millrace::broker {

// The figures of share groups on one shard, under Kafka's names: ShareGroupMetrics,
// SharePartitionMetrics, and what BrokerTopicMetrics has of them.
class ShareMetrics {
  public:
    explicit ShareMetrics(metrics::Registry& registry) : registry_(registry) {}

    // Once a request for each of its topics, on a shard that has partitions of the topic: its
    // figures go with them.
    void fetch_request(const std::string& topic);
    void acknowledge_request(const std::string& topic);
    // The same for topics with an error.
    void fetch_failed(std::uint64_t topics);
    void acknowledge_failed(std::uint64_t topics);
    void fetch_expired();  // its wait was over
    // It had a part of the partitions that it asked for to itself, after a time.
    void fetched(const std::string& group_id, std::size_t had, std::size_t asked, Duration after);

    void loaded(Duration took);
    void acknowledged(const std::vector<share::Acknowledgement>& acknowledgements);
    metrics::Registry& registry() { return registry_; }

  private:
    metrics::Registry& registry_;
};

}  // namespace millrace::broker
