#pragma once

#include "base/scope.h"
#include "broker/log_directories.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"

namespace millrace::broker {

// Writes the checkpoint files of every log directory: recovery points, log starts and high
// watermarks, at the intervals of the configuration and at the end. Lives on shard 0.
class Checkpoints {
  public:
    Checkpoints(PartitionRouter& router, LogDirectories& directories,
                const config::BrokerConfig& config);

    void start() { scope_.spawn(run()); }
    Task<void> stop() { return scope_.close(); }
    // cleaner-offset-checkpoint of every directory; one call at a time.
    Task<Result<>> write_cleaner();
    // All files, with what the logs say now. The first error is returned.
    Task<Result<>> write_all();

  private:
    Task<void> run();
    Task<std::vector<Partitions::Offsets>> gather();
    Task<Result<>> write(storage::CheckpointKind kind,
                         const std::vector<Partitions::Offsets>& offsets);

    PartitionRouter& router_;
    LogDirectories& directories_;
    const config::BrokerConfig& config_;
    std::map<std::pair<storage::LogDirectory*, storage::CheckpointKind>, storage::OffsetCheckpoint>
        written_;
    Scope scope_;
};

}  // namespace millrace::broker
