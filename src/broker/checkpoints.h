#pragma once

#include <set>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/log_directories.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"

namespace millrace::broker {

// Writes the checkpoint files of every log directory: recovery points, log starts and high
// watermarks, each at the interval of its configuration, when it is asked for, and at the end.
// Lives on shard 0.
class Checkpoints {
  public:
    Checkpoints(PartitionRouter& router, LogDirectories& directories,
                const config::BrokerConfig& config);

    void start();
    Task<void> stop() { return scope_.close(); }
    // The files of one kind, with what the logs say from now on. The first error is returned, and
    // closes its directory.
    Task<Result<>> write(storage::CheckpointKind kind);
    // All files.
    Task<Result<>> write_all();

  private:
    class Turn;
    Task<void> repeat(storage::CheckpointKind kind, Duration delay, Duration interval);
    Task<std::vector<Partitions::Offsets>> gather(storage::CheckpointKind kind);

    PartitionRouter& router_;
    LogDirectories& directories_;
    const config::BrokerConfig& config_;
    std::map<std::pair<storage::LogDirectory*, storage::CheckpointKind>, storage::OffsetCheckpoint>
        written_;
    std::set<storage::CheckpointKind> under_way_;  // one at a time of each
    Condition written_once_;
    Scope scope_;
};

}  // namespace millrace::broker
