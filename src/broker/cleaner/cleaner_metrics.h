#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/cleaner/dirty_logs.h"
#include "metrics/registry.h"

namespace millrace::env {
class Shard;
}

namespace millrace::broker {

// The figures of LogCleaner and LogCleanerManager.
class CleanerMetrics {
  public:
    CleanerMetrics(env::Shard& shard, metrics::Registry& registry,
                   const std::vector<std::string>& directories);

    // What a look at all logs has found.
    void surveyed(const std::vector<DirtyLog>& logs, const std::set<TopicIdPartition>& uncleanable);
    // The highest part of one that may be compacted now, and by how much one is late.
    void dirtiest(double ratio) { dirtiest_ = ratio; }
    void late_by(std::int64_t delay_ms) { delay_ms_ = delay_ms; }
    // One of the threads has compacted a log.
    void cleaned(std::size_t thread, const storage::CompactionReport& report, Duration took);
    void moved(std::uint64_t bytes) { io_.mark(bytes); }

  private:
    struct LastRound {
        storage::CompactionReport report;
        Duration took;
    };
    struct Uncleanable {
        std::size_t logs = 0;
        std::uint64_t bytes = 0;
    };
    void watch(metrics::Registry& registry);

    env::Shard& shard_;
    metrics::Meter& io_;
    std::map<std::size_t, LastRound> last_;  // by thread
    std::map<std::string, Uncleanable> directories_;
    double dirtiest_ = 0;
    std::int64_t delay_ms_ = 0;
    Time last_run_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
