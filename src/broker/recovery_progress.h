#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "env/shard.h"
#include "metrics/registry.h"
#include "storage/log_directory.h"

namespace millrace::broker {

// How far a start is with the logs of one log directory: told in the log, and in the metrics
// remainingLogsToRecover and remainingSegmentsToRecover (KIP-831) for as long as it lives.
class RecoveryProgress {
  public:
    RecoveryProgress(env::Shard& shard, metrics::Registry& registry,
                     const storage::LogDirectory& directory, std::size_t logs, int threads);

    // Of the log that this thread is at; written by whoever recovers it.
    std::atomic<std::uint32_t>& segments_left(int thread) {
        return segments_left_[static_cast<std::size_t>(thread)];
    }
    // A log is open, or could not be opened.
    void has_done_one(int thread);

  private:
    env::Shard& shard_;
    std::string directory_;
    std::size_t logs_;
    std::size_t left_;
    Time began_;
    Time told_;
    std::unique_ptr<std::atomic<std::uint32_t>[]> segments_left_;  // by thread
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
