#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "core/replication/follower.h"
#include "storage/log.h"
#include "storage/timestamped_offset.h"
#include "storage/transaction_index.h"

namespace millrace::broker {

struct RemoteReadRequest {
    storage::Offset offset = 0;
    std::uint64_t max_bytes = 0;
    bool whole_first_batch = false;
    bool read_committed = false;
};

struct RemoteRecords {
    // From the batch that holds the offset on; cut anywhere at the byte limit.
    Slice records;
    std::uint64_t first_batch_size = 0;
    // Of read_committed, when there are records.
    std::vector<storage::AbortedTransaction> aborted;
};

// The part of a log that is in remote storage (KIP-405). Lives on the partition's shard.
class RemoteLog {
  public:
    virtual ~RemoteLog() = default;
    // The highest offset that is copied; no_offset when nothing is, or nothing is known yet.
    virtual storage::Offset highest_offset() const = 0;
    // Both go on when the caller is cancelled: who asks the same again finds what has come.
    //
    // offset_out_of_range: not in remote storage. replica_not_available: what is there is not known
    // yet. Errors of the store. unknown_server_error: too many reads wait.
    virtual Task<Result<RemoteRecords>> read(RemoteReadRequest request) = 0;
    // The first record of at least this timestamp, here or in remote storage.
    virtual Task<Result<std::optional<storage::TimestampedOffset>>> find_by_timestamp(
        Timestamp timestamp) = 0;
    // What a replica begins with that goes on behind it: the epochs and producers of what it does
    // not have. replica_not_available: remote storage does not have it either, or that is not
    // known.
    virtual Task<Result<storage::RemoteBeginning>> beginning(replication::TieredBeginning at) = 0;
    // An answer did not wait any longer for read(), or find_by_timestamp().
    virtual void read_expired() = 0;
    virtual void search_expired() = 0;
};

}  // namespace millrace::broker
