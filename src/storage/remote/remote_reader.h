#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "storage/remote/index_cache.h"
#include "storage/remote/segment_reader.h"

namespace millrace::env {
class Shard;
}

namespace millrace::storage::remote {

// Reads remote segments for tasks of one shard, the cache's: others call onto it. The work is done
// by helper threads; whoever calls bounds how many reads run at once.
//
// Errors: resource_not_found, the segment is gone; kafka_storage_error, the store cannot be reached
// or fails; corrupt_message, the bytes are wrong even with indexes that were fetched anew.
class RemoteReader {
  public:
    RemoteReader(env::Shard& shard, ObjectStore& store, IndexCache& cache)
        : shard_(shard), store_(store), cache_(cache) {}

    Task<Result<RemoteRead>> read(RemoteLogSegment segment, RemoteReadRequest request);
    // The first record of at least `timestamp` at or above `start`; nothing when the segment has
    // none.
    Task<Result<std::optional<TimestampedOffset>>> find_timestamp(RemoteLogSegment segment,
                                                                  Timestamp timestamp,
                                                                  Offset start);
    // Aborted transactions that a reader of the batches from offset `from` to `position` must drop,
    // as far as the segment tells. `bound` is the offset up to which they were looked for: the
    // offset index knows the end no better, and clients are told what Apache tells them.
    struct Aborted {
        AbortedInRange in_segment;
        Offset bound = no_offset;
    };
    Task<Result<Aborted>> aborted_before(RemoteLogSegment segment, Offset from,
                                         std::uint64_t position);
    // Those of readers of [from, to) whose markers the segment holds: for the segments behind the
    // one that was read, until they are complete.
    Task<Result<AbortedInRange>> aborted(RemoteLogSegment segment, Offset from, Offset to);
    // What a new replica begins with: leader_epoch, producer_snapshot. Not cached.
    Task<Result<Slice>> index(RemoteLogSegment segment, IndexType type);

  private:
    template <typename Value, typename Work>
    Task<Result<Value>> with_indexes(const RemoteLogSegment& segment, Work work);

    env::Shard& shard_;
    ObjectStore& store_;
    IndexCache& cache_;
};

}  // namespace millrace::storage::remote
