#pragma once

#include <functional>
#include <vector>

#include "broker/metadata_cache.h"
#include "metrics/registry.h"
#include "quorum/metadata_quorum.h"

namespace millrace::broker {

// What a node tells of the cluster and of the quorum: KafkaController's figures, raft-metrics, and
// the broker's own state. Read when they are scraped; lives on shard 0.
class ClusterMetrics {
  public:
    ClusterMetrics(metrics::Registry& registry, const MetadataCache& metadata,
                   const quorum::MetadataQuorum& quorum, std::int32_t node_id);

  private:
    using Of = std::function<double()>;
    void read(const metrics::GaugeDeclaration& declaration, Of of);
    void read_cluster();
    void read_quorum();
    void read_figures();
    double count_partitions(bool (*counts)(const metadata::Partition&)) const;

    metrics::Registry& registry_;
    const MetadataCache& metadata_;
    const quorum::MetadataQuorum& quorum_;
    std::int32_t node_id_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
