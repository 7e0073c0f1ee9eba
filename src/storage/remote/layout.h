#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "storage/offset.h"

namespace millrace::storage::remote {

// A segment in remote storage: what of KIP-405's RemoteLogSegmentMetadata its objects say.
struct RemoteLogSegment {
    std::string topic;
    Uuid topic_id;
    std::int32_t partition = 0;
    Uuid id;  // of this copy: a second attempt at the same segment has another one
    Offset start_offset = 0;
    Offset end_offset = 0;  // of its last record
    Timestamp max_timestamp = -1;
    std::int32_t broker_id = -1;  // that copied it
    std::uint64_t size = 0;       // of the .log, bytes

    bool operator==(const RemoteLogSegment&) const = default;
};

// What is stored of a segment beside its log, in KIP-405's words.
enum class IndexType : std::uint8_t {
    offset,
    timestamp,
    transaction,
    leader_epoch,
    producer_snapshot,
};
inline constexpr std::size_t index_types = 5;
std::string_view name_of(IndexType type);

// Names of objects (docs/tiered-storage.md):
//   TOPIC/TOPIC_ID/PARTITION/START_OFFSET-SEGMENT_ID.log      the segment's batches
//   TOPIC/TOPIC_ID/PARTITION/START_OFFSET-SEGMENT_ID.indexes  what belongs to it, and its metadata
// The .indexes is put last and removed first: where it is, the segment is whole.
std::string log_key(const RemoteLogSegment& segment);
std::string indexes_key(const RemoteLogSegment& segment);
// What every object of a topic, or of one of its partitions, begins with.
std::string topic_prefix(std::string_view topic, const Uuid& topic_id);
std::string partition_prefix(std::string_view topic, const Uuid& topic_id, std::int32_t partition);

enum class ObjectKind : std::uint8_t { log, indexes };
struct ObjectName {
    ObjectKind kind = ObjectKind::log;
    RemoteLogSegment segment;  // topic, topic_id, partition, id and start_offset of it
};
// invalid_request for a key that is none of a segment's objects.
Result<ObjectName> parse_key(std::string_view key);

}  // namespace millrace::storage::remote
