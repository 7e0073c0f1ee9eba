#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/metadata_cache.h"
#include "config/broker_config.h"
#include "metrics/registry.h"
#include "quorum/metadata_quorum.h"

namespace millrace::env {
class Shard;
}

namespace millrace::broker {

// What a node tells of the cluster and of the quorum: KafkaController's figures, raft-metrics, and
// the broker's own state. Read when they are scraped; lives on shard 0.
class ClusterMetrics {
  public:
    ClusterMetrics(env::Shard& shard, metrics::Registry& registry, const MetadataCache& metadata,
                   const quorum::MetadataQuorum& quorum, const config::BrokerConfig& config);

    // The image of `metadata` is another one: its brokers have figures of their own, and elections
    // are counted, where this node is a controller.
    void follow();

  private:
    using Of = std::function<double()>;
    using Reading = metrics::Registry::Reading;
    using OfBrokers = std::map<std::int32_t, Reading>;
    void read(const metrics::GaugeDeclaration& declaration, Of of);
    void read_cluster();
    void read_controller();
    void read_quorum();
    void read_figures();
    double count_partitions(bool (*counts)(const metadata::Partition&)) const;
    double lag_ms() const;
    void follow_features(const metadata::Features& features);
    Reading registration_of(std::int32_t broker);
    void follow_heartbeats(const metadata::Image& image);
    Reading heartbeat_of(std::int32_t broker);
    void count_elections(const metadata::Image& image);

    env::Shard& shard_;
    metrics::Registry& registry_;
    const MetadataCache& metadata_;
    const quorum::MetadataQuorum& quorum_;
    std::int32_t node_id_;
    bool is_controller_;
    Duration session_timeout_;
    metadata::ImagePtr seen_;  // the last image that elections were counted up to
    std::vector<Reading> readings_;
    OfBrokers brokers_;
    OfBrokers heartbeats_;   // while it is the active controller
    Reading kraft_version_;  // which no image has
    std::map<std::string, Reading, std::less<>> features_;
};

}  // namespace millrace::broker
