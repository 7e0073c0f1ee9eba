#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/leader_epochs.h"
#include "storage/remote/layout.h"

namespace millrace::storage::remote {

// Where a segment is on its way into remote storage and out of it (KIP-405); the numbers are those
// of the records.
enum class RemoteLogSegmentState : std::int8_t {
    copy_segment_started = 0,
    copy_segment_finished = 1,
    delete_segment_started = 2,
    delete_segment_finished = 3,
};
std::string_view name_of(RemoteLogSegmentState state);
// Whether a record may bring a segment from one state into another; none: it was not known. The
// same state again is fine, so that a record may be written twice.
bool is_valid_transition(std::optional<RemoteLogSegmentState> from, RemoteLogSegmentState to);

enum class RemotePartitionDeleteState : std::int8_t {
    delete_partition_marked = 0,
    delete_partition_started = 1,
    delete_partition_finished = 2,
};

// Whose segments: the key of everything in __remote_log_metadata.
struct RemotePartition {
    std::string topic;
    Uuid topic_id;
    std::int32_t partition = 0;

    bool operator==(const RemotePartition&) const = default;
};

// What is known of one segment in remote storage.
struct RemoteLogSegmentMetadata {
    RemoteLogSegment segment;
    Timestamp event_timestamp = -1;  // when the record was made
    // Where each leader epoch begins in the segment; the first one at or before its start. Not
    // empty.
    std::vector<EpochStart> leader_epochs;
    RemoteLogSegmentState state = RemoteLogSegmentState::copy_segment_started;
    bool txn_index_empty = false;
    std::optional<std::string> custom_metadata;  // the store's own word

    // The last offset of the epoch in the segment.
    Offset end_of_epoch(std::int32_t epoch) const;
    bool operator==(const RemoteLogSegmentMetadata&) const = default;
};

// A segment that is known goes into another state.
struct RemoteLogSegmentMetadataUpdate {
    RemotePartition partition;
    Uuid id;
    std::int32_t broker_id = -1;
    Timestamp event_timestamp = -1;
    RemoteLogSegmentState state = RemoteLogSegmentState::copy_segment_finished;
    std::optional<std::string> custom_metadata;

    bool operator==(const RemoteLogSegmentMetadataUpdate&) const = default;
};

struct RemotePartitionDeleteMetadata {
    RemotePartition partition;
    std::int32_t broker_id = -1;
    Timestamp event_timestamp = -1;
    RemotePartitionDeleteState state = RemotePartitionDeleteState::delete_partition_marked;

    bool operator==(const RemotePartitionDeleteMetadata&) const = default;
};

// A record of __remote_log_metadata (formats 6).
using RemoteLogMetadata = std::variant<RemoteLogSegmentMetadata, RemoteLogSegmentMetadataUpdate,
                                       RemotePartitionDeleteMetadata>;
RemotePartition partition_of(const RemoteLogMetadata& record);
// CHECK: a segment without leader epochs, or of 2 GiB and more.
Slice encode(const RemoteLogMetadata& record);
// unsupported_version: a frame, type or version that is not known; invalid_record: bytes that are
// no such record, or say what no segment can be.
Result<RemoteLogMetadata> decode_remote_log_metadata(Bytes value);

// The partition of __remote_log_metadata, which has `partitions`, that tells of this partition.
std::int32_t metadata_partition_of(const Uuid& topic_id, std::int32_t partition,
                                   std::int32_t partitions);

}  // namespace millrace::storage::remote
