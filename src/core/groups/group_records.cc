#include "core/groups/group_records.h"

#include "core/coordinator/record_codec.h"
#include "protocol/group_metadata.h"
#include "protocol/offset_commit.h"

namespace millrace::groups {
namespace {

using coordinator::decode_value;
using coordinator::encode_key;
using coordinator::encode_value;

constexpr std::int16_t legacy_offset_type = 0;
// As 4.3.1 writes them; only version 1 has room for an expiry of its own.
constexpr std::int16_t offset_value_version = 4;
constexpr std::int16_t expiring_offset_value_version = 1;
constexpr std::int16_t group_value_version = 3;

Slice offset_key(const std::string& group, const std::string& topic, std::int32_t partition) {
    OffsetCommitKey key{.group = group, .topic = topic, .partition = partition};
    return encode_key(key);
}

}  // namespace

GroupRecord offset_record(const std::string& group, const std::string& topic,
                          std::int32_t partition, const CommittedOffset& offset) {
    OffsetCommitValue value{
        .offset = offset.offset,
        .leader_epoch = offset.leader_epoch,
        .metadata = offset.metadata,
        .commit_timestamp = offset.commit_timestamp,
        .expire_timestamp = offset.expire_timestamp,
        .topic_id = offset.topic_id,
    };
    std::int16_t version =
        offset.expire_timestamp < 0 ? offset_value_version : expiring_offset_value_version;
    return {offset_key(group, topic, partition), encode_value(value, version)};
}

GroupRecord offset_tombstone(const std::string& group, const std::string& topic,
                             std::int32_t partition) {
    return {offset_key(group, topic, partition), std::nullopt};
}

GroupRecord group_record(const std::string& group, const GroupMetadataValue& value) {
    return {encode_key(GroupMetadataKey{.group = group}), encode_value(value, group_value_version)};
}

GroupRecord group_tombstone(const std::string& group) {
    return {encode_key(GroupMetadataKey{.group = group}), std::nullopt};
}

Result<Entry> parse(const GroupRecord& record) {
    Bytes key = record.key.bytes();
    if (key.size() < 2) return fail(ErrorCode::corrupt_message, "a group record without a type");
    auto type = load_be<std::int16_t>(key.data());
    Reader reader(key.subspan(2));
    if (type == OffsetCommitKey::record_type || type == legacy_offset_type) {
        ASSIGN_OR_RETURN(OffsetCommitKey decoded, OffsetCommitKey::decode(reader, 0));
        OffsetEntry entry{decoded.group, decoded.topic, decoded.partition, std::nullopt};
        if (record.value) {
            ASSIGN_OR_RETURN(OffsetCommitValue value,
                             decode_value<OffsetCommitValue>(record.value->bytes()));
            entry.offset = CommittedOffset{.offset = value.offset,
                                           .leader_epoch = value.leader_epoch,
                                           .metadata = value.metadata,
                                           .commit_timestamp = value.commit_timestamp,
                                           .expire_timestamp = value.expire_timestamp,
                                           .topic_id = value.topic_id};
        }
        return entry;
    }
    if (type == GroupMetadataKey::record_type) {
        ASSIGN_OR_RETURN(GroupMetadataKey decoded, GroupMetadataKey::decode(reader, 0));
        GroupEntry entry{decoded.group, std::nullopt};
        if (record.value) {
            ASSIGN_OR_RETURN(entry.value, decode_value<GroupMetadataValue>(record.value->bytes()));
        }
        return entry;
    }
    if (is_consumer_record(type)) {
        return parse_consumer_record(type, key.subspan(2), record.value);
    }
    if (is_share_record(type)) return parse_share_record(type, key.subspan(2), record.value);
    if (is_streams_record(type)) return parse_streams_record(type, key.subspan(2), record.value);
    return OtherEntry{type};
}

}  // namespace millrace::groups
