#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/partitions/partitions.h"
#include "config/broker_config.h"

namespace millrace::broker {

// What the logs of one shard need from time to time, or some time after something has happened:
// retention, flushes by time and of complete segments, removal of deleted files, expiry of
// producers. Goes over the partitions one by one, and lets the loop turn between them.
class Upkeep final : private LogWorkListener {
  public:
    // Brings what the logs say of their starts to the checkpoint files of all log directories.
    using SaveLogStarts = std::function<Task<Result<>>()>;

    // `config` takes over dynamic values while this lives.
    Upkeep(env::Shard& shard, Partitions& partitions, const config::BrokerConfig& config);

    void start(SaveLogStarts save_log_starts);
    Task<void> stop() { return scope_.close(); }

  private:
    void rolled(Partition& partition) override;
    void files_doomed(Partition& partition, Timestamp due) override;
    // One round of retention over all partitions, in two steps: starts move and are written down,
    // then segments below them go. A power cut in between brings records back, and never leaves a
    // gap among them.
    Task<void> retain();
    // Of a tiered log, what is in remote storage and no longer kept here.
    Task<void> retain_locally(Partition& partition, storage::Log& log);
    // Flushes the logs that were not for flush.ms.
    Task<void> flush_overdue();
    Task<void> expire_producers();
    // Runs a round after `delay` and then each `interval`.
    Task<void> repeat(Duration delay, Duration interval, Task<void> (Upkeep::*round)());
    Task<void> flush_rolled();
    Task<void> remove_files();
    std::vector<std::shared_ptr<Partition>> all() const;

    env::Shard& shard_;
    Partitions& partitions_;
    const config::BrokerConfig& config_;
    SaveLogStarts save_log_starts_;
    std::set<TopicIdPartition> rolled_;
    Condition has_rolled_;
    std::set<std::pair<Timestamp, TopicIdPartition>> doomed_;
    Condition has_doomed_;
    Scope scope_;
};

}  // namespace millrace::broker
