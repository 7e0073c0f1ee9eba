#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/task.h"
#include "storage/log.h"
#include "storage/log_directory.h"

namespace millrace::broker {

// A replica's log as it grows anew in another log directory, to take the place of the current one
// when it has caught up (KIP-113). Of a tiered one it takes over what is here, and what is known of
// the rest.
class FutureReplica {
  public:
    FutureReplica(storage::LogDirectory& directory, std::shared_ptr<storage::Log> log)
        : directory_(directory), log_(std::move(log)) {}

    storage::LogDirectory& directory() { return directory_; }
    storage::Log& log() { return *log_; }
    const std::shared_ptr<storage::Log>& share_log() const { return log_; }

    // Takes over what the current log has more, up to `max_bytes` but at least a batch, after
    // dropping what that one does not have. Returns the bytes; 0: there is nothing more.
    Task<Result<std::uint64_t>> copy(storage::Log& current, std::uint64_t max_bytes);
    // How often it began anew behind what is in remote storage only.
    std::uint64_t remote_beginnings() const { return remote_beginnings_; }
    // Bytes copied since the last sync().
    std::uint64_t unsynced() const { return unsynced_; }
    Task<Result<>> sync();
    bool has_caught_up(const storage::Log& current) const {
        return log_->end_offset() == current.next_offset();
    }

  private:
    Result<> align(storage::Log& current);
    storage::Offset shared_end(const storage::Log& current) const;
    Result<> begin_anew(storage::Log& current);

    storage::LogDirectory& directory_;
    std::shared_ptr<storage::Log> log_;
    std::uint64_t unsynced_ = 0;
    std::uint64_t remote_beginnings_ = 0;
};

}  // namespace millrace::broker
