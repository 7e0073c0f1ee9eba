#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

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

    struct Meter {
        Meter(metrics::Registry& registry, const metrics::MeterDeclaration& declaration,
              const std::string& topic);
        void mark(std::uint64_t n = 1) {
            all.mark(n);
            own.mark(n);
        }
        metrics::Meter& all;
        metrics::Meter& own;
    };
    Meter copy_bytes, copy_requests, copy_errors;
    Meter fetch_bytes, fetch_requests, fetch_errors;
    Meter delete_requests, delete_errors;

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
