#pragma once

#include "metrics/declared.h"
#include "metrics/registry.h"

namespace millrace::broker {

// Figures of replication on one shard.
struct ReplicationMetrics {
    explicit ReplicationMetrics(metrics::Registry& registry)
        : isr_shrinks(registry.meter(metrics::declared::replica_manager_isr_shrinks_per_sec)),
          isr_expands(registry.meter(metrics::declared::replica_manager_isr_expands_per_sec)),
          failed_isr_updates(
              registry.meter(metrics::declared::replica_manager_failed_isr_updates_per_sec)),
          bytes_in(registry.meter(
              metrics::declared::broker_topic_metrics_replication_bytes_in_per_sec)) {}

    metrics::Meter& isr_shrinks;
    metrics::Meter& isr_expands;
    metrics::Meter& failed_isr_updates;
    metrics::Meter& bytes_in;
};

}  // namespace millrace::broker
