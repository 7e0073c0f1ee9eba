#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/cleaner/cleaner_metrics.h"
#include "broker/cleaner/dirty_logs.h"
#include "broker/cleaner/io_throttle.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"

namespace millrace::broker {

class Checkpoints;

// Compacts the logs of this node that ask for it (Apache's LogCleaner): log.cleaner.threads at
// once, each time the one with the highest part that is dirty. A log whose content cannot be
// compacted is left out until the next start. Lives on shard 0; configs may change at any time.
class LogCleaner {
  public:
    LogCleaner(PartitionRouter& router, Checkpoints& checkpoints,
               const config::BrokerConfig& config, metrics::Registry& registry);

    void start();
    Task<void> stop() { return scope_.close(); }

  private:
    Task<void> keep_threads();
    Task<void> work(std::size_t thread);
    // Whether there was one to compact, and it went well.
    Task<bool> clean_filthiest(std::size_t thread);
    // Marks it as being in progress.
    Task<std::optional<DirtyLog>> grab_filthiest();
    Task<std::vector<DirtyLog>> survey();
    Task<Result<storage::CompactionReport>> clean(const TopicIdPartition& id);
    storage::CompactionTerms terms() const;
    Task<void> pause();
    Task<void> save_checkpoints();

    env::Shard& shard_;
    PartitionRouter& router_;
    Checkpoints& checkpoints_;
    const config::BrokerConfig& config_;
    IoThrottle throttle_;
    CleanerMetrics metrics_;
    std::size_t threads_ = 0;
    std::set<TopicIdPartition> in_progress_;
    std::set<TopicIdPartition> uncleanable_;
    bool choosing_ = false;
    Condition chosen_;
    bool saving_ = false;
    bool save_again_ = false;
    Scope scope_;
};

}  // namespace millrace::broker
