#pragma once

#include <map>
#include <memory>
#include <set>

#include "broker/controllers.h"
#include "broker/partitions/partitions.h"
#include "broker/remote/leftover_segments.h"
#include "broker/remote/metadata_log.h"
#include "broker/remote/metadata_topic.h"
#include "broker/remote/remote_indexes.h"
#include "broker/remote/remote_metrics.h"
#include "broker/remote/remote_quotas.h"
#include "broker/remote/remote_services.h"
#include "broker/remote/tiered_partition.h"

namespace millrace::broker {

// Tiered storage (KIP-405) on one shard: its tiered partitions, while this node leads or follows.
class RemoteStorage final : public LeadershipListener {
  public:
    struct Ways {
        Partitions& partitions;
        PartitionRouter& router;
        MetadataCache& metadata;
        Controllers& controllers;
        const config::BrokerConfig& config;
        metrics::Registry& metrics;
    };
    // What the node has of it; all of it lives longer.
    struct Node {
        std::int32_t id = -1;
        storage::remote::ObjectStore& store;
        RemoteIndexes& indexes;
        RemoteQuotas& quotas;
    };
    RemoteStorage(Node node, Ways ways);

    // On shard 0: makes __remote_log_metadata.
    void create_topic(RemoteLogMetadataTopic topic);

    void elected(const std::shared_ptr<Partition>& partition) override;
    void resigned(const Partition& partition) override;
    void configured(const std::shared_ptr<Partition>& partition) override;
    void followed(const std::shared_ptr<Partition>& partition) override;
    void unfollowed(const Partition& partition) override;
    // Ends all work; calls of the store under way are waited for.
    Task<void> close();

  private:
    void watch();
    Task<void> begin(std::shared_ptr<Partition> partition);
    // What is to become of the segments in the store.
    enum class Fate { stay, go, go_with_the_topic };
    void end(const TopicIdPartition& id, Fate fate);
    Task<void> stop(TopicIdPartition id, std::shared_ptr<TieredPartition> tiered, Fate fate);
    Task<bool> topic_is_gone(TopicIdPartition id);

    env::Shard& shard_;
    std::int32_t node_id_;
    Ways ways_;
    RemoteMetrics metrics_;
    RemoteMetadataLog metadata_;
    RemoteServices services_;
    LeftoverSegments leftovers_;
    std::map<TopicIdPartition, std::shared_ptr<TieredPartition>> partitions_;
    std::multiset<TopicIdPartition> ending_;
    Condition ended_;
    std::vector<metrics::Registry::Reading> readings_;
    Scope scope_;
};

}  // namespace millrace::broker
