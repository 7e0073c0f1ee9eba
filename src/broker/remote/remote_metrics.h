#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/partitions/topic_meter.h"
#include "metrics/registry.h"

namespace millrace::broker {

class RemoteMetrics;

// What a tiered partition tells of itself.
struct RemoteFigures {
    double copy_lag_bytes = 0;  // complete, and not copied
    double copy_lag_segments = 0;
    double delete_lag_bytes = 0;  // to be removed from remote storage
    double delete_lag_segments = 0;
    double metadata_count = 0;  // segments of which something is known
    double size_bytes = 0;      // in remote storage
    double size_computation_ms = 0;
};

// BrokerTopicMetrics of remote storage, of one topic on one shard and of all.
class RemoteTopicMetrics {
  public:
    RemoteTopicMetrics(metrics::Registry& registry, const std::string& topic);

    TopicMeter copy_bytes, copy_requests, copy_errors;
    TopicMeter fetch_bytes, fetch_requests, fetch_errors;
    TopicMeter delete_requests, delete_errors;

    // Sums over these are told for as long as they live.
    void add(const RemoteFigures* figures) { figures_.push_back(figures); }
    void remove(const RemoteFigures* figures) { std::erase(figures_, figures); }

  private:
    friend class RemoteMetrics;
    std::vector<const RemoteFigures*> figures_;
    std::vector<metrics::Registry::Reading> readings_;
};

// The figures of one shard's remote storage.
class RemoteMetrics {
  public:
    explicit RemoteMetrics(metrics::Registry& registry);

    std::shared_ptr<RemoteTopicMetrics> topic(const std::string& name);

  private:
    metrics::Registry& registry_;
    std::map<std::string, std::weak_ptr<RemoteTopicMetrics>, std::less<>> topics_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
