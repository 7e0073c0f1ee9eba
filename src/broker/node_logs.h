#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/scope.h"
#include "broker/partition_router.h"
#include "broker/recovery_progress.h"
#include "config/broker_config.h"

namespace millrace::broker {

// Opens, syncs and closes the logs of all shards, log directories side by side, in each of them
// num.recovery.threads.per.data.dir logs at once. Lives on shard 0.
class NodeLogs {
  public:
    NodeLogs(PartitionRouter& router, metrics::Registry& registry);

    // What a start has found, telling how far it is.
    Task<void> open_found(std::vector<PartitionOpening> openings,
                          const config::BrokerConfig& config);
    // Ends when the partitions are there. What is not known to be on stable storage is synced in
    // the background, and hidden from clients until then.
    Task<void> open(std::vector<PartitionOpening> openings, const config::BrokerConfig& config);
    // Of partitions that have stopped. The first error is returned; the others are logged.
    Task<Result<>> close(const config::BrokerConfig& config);

  private:
    using Progress = std::map<std::string, RecoveryProgress>;  // by directory
    struct Unsynced {
        std::string directory;
        TopicIdPartition id;
    };
    Task<void> open_all(std::vector<PartitionOpening> openings, int threads,
                        const config::BrokerConfig& config, Progress progress);
    Task<void> sync_recovered(std::vector<Unsynced> partitions, int threads);

    PartitionRouter& router_;
    metrics::Registry& registry_;
    Scope scope_;
};

}  // namespace millrace::broker
