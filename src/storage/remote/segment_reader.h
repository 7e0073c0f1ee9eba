#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "records/batch.h"
#include "storage/remote/cached_indexes.h"
#include "storage/remote/object_store.h"
#include "storage/timestamped_offset.h"

namespace millrace::storage::remote {

struct RemoteReadRequest {
    Offset offset = 0;
    std::uint64_t max_bytes = 0;
    // The first batch is returned whole, however large.
    bool whole_first_batch = false;
};

struct RemoteRead {
    // Whole batches from the one that holds the offset, or the next one in the segment, on; their
    // CRCs are right. Empty: there is none, or it is larger than max_bytes.
    Slice records;
    std::uint64_t first_batch_size = 0;  // also where it is too large; 0: the segment has none
    std::uint64_t position = 0;          // of the first batch in the segment
    Offset next_offset = no_offset;      // behind the last batch
};

// Reads of one remote segment: the place by its indexes, the bytes from the store. Memory follows
// max_bytes, or a first batch that is larger. Blocking, on helper threads; one object a read.
//
// corrupt_message: what lies there is not what an index or the batches around it say.
class SegmentReader {
  public:
    SegmentReader(ObjectStore& store, const RemoteLogSegment& segment, CachedIndexes& indexes)
        : store_(store), segment_(segment), indexes_(indexes) {}

    Result<RemoteRead> read(const RemoteReadRequest& request);
    // The first record of at least `timestamp` at or above `start`.
    Result<std::optional<TimestampedOffset>> find_timestamp(Timestamp timestamp, Offset start);

  private:
    // Bytes from `position` on: at least `least` of them, or all up to the segment's end. What is
    // not in memory comes from the store, `ahead` bytes at once. Valid until the next call.
    Result<Bytes> bytes_at(std::uint64_t position, std::uint64_t least, std::uint64_t ahead);
    // The header of the batch there; nothing at the segment's end.
    Result<std::optional<BatchView>> header_at(std::uint64_t position, std::uint64_t ahead);
    // The first batch from the index's place on for which `wanted` holds.
    template <typename Wanted>
    Result<std::optional<std::uint64_t>> find(const CachedIndexes::Place& place, Offset offset,
                                              std::uint64_t ahead, Wanted wanted);
    Result<> check_skipped(std::uint64_t position, std::uint64_t end);
    Result<> take_whole(std::uint64_t position, std::uint64_t size, RemoteRead& read);
    std::unexpected<Error> corrupt(std::uint64_t position, std::string_view what) const;

    ObjectStore& store_;
    const RemoteLogSegment& segment_;
    CachedIndexes& indexes_;
    Buffer buffer_;
    std::uint64_t buffer_at_ = 0;  // where in the segment it begins
};

}  // namespace millrace::storage::remote
