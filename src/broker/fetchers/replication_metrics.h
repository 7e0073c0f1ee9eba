#pragma once

#include <string>
#include <utility>

#include "env/network.h"
#include "metrics/declared.h"
#include "metrics/registry.h"

namespace millrace::broker {

// Figures of replication on one shard.
struct ReplicationMetrics {
    explicit ReplicationMetrics(metrics::Registry& r)
        : registry(r),
          isr_shrinks(r.meter(metrics::declared::replica_manager_isr_shrinks_per_sec)),
          isr_expands(r.meter(metrics::declared::replica_manager_isr_expands_per_sec)),
          failed_isr_updates(
              r.meter(metrics::declared::replica_manager_failed_isr_updates_per_sec)),
          bytes_in(r.meter(metrics::declared::broker_topic_metrics_replication_bytes_in_per_sec)),
          reassignment_bytes_in(
              r.meter(metrics::declared::broker_topic_metrics_reassignment_bytes_in_per_sec)) {}

    metrics::Registry& registry;
    metrics::Meter& isr_shrinks;
    metrics::Meter& isr_expands;
    metrics::Meter& failed_isr_updates;
    metrics::Meter& bytes_in;
    metrics::Meter& reassignment_bytes_in;
};

// Figures of a fetcher and the leader it fetches from, for as long as they are held.
class FetcherStats {
  public:
    FetcherStats(metrics::Registry& registry, const std::string& fetcher, env::Address leader)
        : requests(registry.meter(metrics::declared::fetcher_stats_requests_per_sec,
                                  {fetcher, leader.host, std::to_string(leader.port)})),
          bytes(registry.meter(metrics::declared::fetcher_stats_bytes_per_sec,
                               {fetcher, leader.host, std::to_string(leader.port)})),
          registry_(registry),
          labels_{fetcher, leader.host, std::to_string(leader.port)},
          leader_(std::move(leader)) {}
    FetcherStats(const FetcherStats&) = delete;
    ~FetcherStats() {
        registry_.remove(metrics::declared::fetcher_stats_requests_per_sec, labels_);
        registry_.remove(metrics::declared::fetcher_stats_bytes_per_sec, labels_);
    }
    const env::Address& leader() const { return leader_; }

    metrics::Meter& requests;
    metrics::Meter& bytes;

  private:
    metrics::Registry& registry_;
    metrics::Labels labels_;
    env::Address leader_;
};

}  // namespace millrace::broker
