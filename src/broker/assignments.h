#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/controllers.h"
#include "broker/metadata_cache.h"
#include "broker/partitions/partition.h"
#include "metrics/registry.h"
#include "protocol/assign_replicas_to_dirs.h"

namespace millrace::broker {

// Tells the controller in which log directories this node's replicas lie (KIP-858): many in one
// request, again and again until it has recorded them. Lives on shard 0.
class Assignments {
  public:
    Assignments(env::Shard& shard, Controllers& controllers, MetadataCache& metadata,
                std::int32_t node_id, metrics::Registry& registry);

    void start() { scope_.spawn(run()); }
    Task<void> stop() { return scope_.close(); }

    // Takes the place of what is still to be told of the replica.
    void assign(const TopicIdPartition& id, const Uuid& directory) { enqueue(id, directory); }
    // The same, and ends when the controller has recorded it. False: another assignment took its
    // place, or the replica is no longer this node's.
    Task<bool> assigned(TopicIdPartition id, Uuid directory);

  private:
    struct Assignment {
        Uuid directory;
        std::uint64_t number = 0;
    };
    using Batch = std::map<TopicIdPartition, Assignment>;

    std::uint64_t enqueue(const TopicIdPartition& id, const Uuid& directory);
    Task<void> run();
    Duration pause();
    Batch take_batch();
    AssignReplicasToDirsRequest request_of(const Batch& batch) const;
    Task<void> send(Batch batch);
    void settle(const AssignReplicasToDirsResponse& response, Batch& batch);
    void conclude(const Assignment& assignment, bool recorded);
    void put_back(const Batch& batch);

    env::Shard& shard_;
    Controllers& controllers_;
    MetadataCache& metadata_;
    std::int32_t node_id_;
    Batch ready_;
    std::size_t in_flight_ = 0;
    int failures_ = 0;  // of whole requests, since one went through
    std::uint64_t next_number_ = 1;
    enum class Outcome : std::uint8_t { open, recorded, dropped };
    std::map<std::uint64_t, Outcome> awaited_;
    Condition changed_;
    metrics::Registry::Reading queued_;
    Scope scope_;
};

}  // namespace millrace::broker
