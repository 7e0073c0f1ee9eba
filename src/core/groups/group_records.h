#pragma once

#include <optional>
#include <string>
#include <variant>

#include "core/groups/committed_offset.h"
#include "core/groups/consumer_records.h"
#include "core/groups/share_group_records.h"
#include "core/groups/streams_group_records.h"
#include "protocol/group_metadata.h"

namespace millrace::groups {

// The records of __consumer_offsets that classic groups and offsets are made of (formats: key =
// int16 type + fields, value = int16 version + fields).
GroupRecord offset_record(const std::string& group, const std::string& topic,
                          std::int32_t partition, const CommittedOffset& offset);
GroupRecord offset_tombstone(const std::string& group, const std::string& topic,
                             std::int32_t partition);
GroupRecord group_record(const std::string& group, const GroupMetadataValue& value);
GroupRecord group_tombstone(const std::string& group);

struct OffsetEntry {
    std::string group;
    std::string topic;
    std::int32_t partition = 0;
    std::optional<CommittedOffset> offset;
};
struct GroupEntry {
    std::string group;
    std::optional<GroupMetadataValue> value;
};
// A record of a kind that Apache Kafka 4.3.1 does not know.
struct OtherEntry {
    std::int16_t type = 0;
};
using Entry =
    std::variant<OffsetEntry, GroupEntry, ConsumerEntry, ShareGroupEntry, StreamsEntry, OtherEntry>;

Result<Entry> parse(const GroupRecord& record);

}  // namespace millrace::groups
