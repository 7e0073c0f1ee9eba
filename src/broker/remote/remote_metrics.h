#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
    metrics::Timer& reads() { return reads_; }
    // How much of its bounds a partition fills, in hundredths, for as long as they are held.
    std::vector<metrics::Registry::Reading> watch(const std::string& topic, std::int32_t partition,
                                                  std::function<double()> whole,
                                                  std::function<double()> local);
    // Requests that wait for remote storage; what an answer did not wait for any longer.
    class Waiting {
      public:
        explicit Waiting(std::size_t& count) : count_(count) { ++count_; }
        Waiting(const Waiting&) = delete;
        ~Waiting() { --count_; }

      private:
        std::size_t& count_;
    };
    Waiting waiting_fetch() { return Waiting(waiting_fetches_); }
    Waiting waiting_list_offsets() { return Waiting(waiting_list_offsets_); }
    void fetch_expired() { fetches_expired_.mark(); }
    void list_offsets_expired(const std::string& topic, std::int32_t partition);

  private:
    metrics::Registry& registry_;
    metrics::Timer& reads_;
    metrics::Meter& fetches_expired_;
    metrics::Meter& list_offsets_expired_;
    std::size_t waiting_fetches_ = 0;
    std::size_t waiting_list_offsets_ = 0;
    std::map<std::string, std::weak_ptr<RemoteTopicMetrics>, std::less<>> topics_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
