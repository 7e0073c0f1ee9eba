#include "storage/remote/remote_reader.h"

#include "env/shard.h"

namespace millrace::storage::remote {

// Runs `work` with the segment's indexes; once more, with fresh ones, where they led astray: a
// cached file may have rotted.
template <typename Value, typename Work>
Task<Result<Value>> RemoteReader::with_indexes(const RemoteLogSegment& segment, Work work) {
    for (bool again = false;; again = true) {
        auto lease = co_await cache_.acquire(segment);
        if (!lease) co_return fail(std::move(lease).error());
        Result<Value> result = Value();
        co_await env::lasting(shard_, [&] { result = work(lease->indexes()); });
        if (result || again || result.error().code != ErrorCode::corrupt_message) {
            co_return result;
        }
        lease->distrust();
    }
}

Task<Result<RemoteRead>> RemoteReader::read(RemoteLogSegment segment, RemoteReadRequest request) {
    co_return co_await with_indexes<RemoteRead>(segment, [&](CachedIndexes& indexes) {
        return SegmentReader(store_, segment, indexes).read(request);
    });
}

Task<Result<std::optional<TimestampedOffset>>> RemoteReader::find_timestamp(
    RemoteLogSegment segment, Timestamp timestamp, Offset start) {
    using Found = std::optional<TimestampedOffset>;
    co_return co_await with_indexes<Found>(segment, [&](CachedIndexes& indexes) {
        return SegmentReader(store_, segment, indexes).find_timestamp(timestamp, start);
    });
}

Task<Result<RemoteReader::Aborted>> RemoteReader::aborted_before(RemoteLogSegment segment,
                                                                 Offset from,
                                                                 std::uint64_t position) {
    auto look = [&](CachedIndexes& indexes) -> Result<Aborted> {
        ASSIGN_OR_RETURN(auto bound, indexes.bound_of(position));
        Aborted found{.in_segment = {}, .bound = bound.value_or(segment.end_offset + 1)};
        ASSIGN_OR_RETURN(found.in_segment, indexes.aborted(from, found.bound));
        return found;
    };
    co_return co_await with_indexes<Aborted>(segment, look);
}

Task<Result<AbortedInRange>> RemoteReader::aborted(RemoteLogSegment segment, Offset from,
                                                   Offset to) {
    co_return co_await with_indexes<AbortedInRange>(
        segment, [&](CachedIndexes& indexes) { return indexes.aborted(from, to); });
}

Task<Result<Slice>> RemoteReader::index(RemoteLogSegment segment, IndexType type) {
    Result<Slice> bytes = Slice();
    co_await env::lasting(shard_, [&] { bytes = fetch_index(store_, segment, type); });
    co_return bytes;
}

}  // namespace millrace::storage::remote
