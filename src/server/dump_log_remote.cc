// Records of __remote_log_metadata, in the words of the classes that Kafka reads them into.

#include <fmt/format.h>
#include <map>

#include "protocol/json/json_text.h"
#include "protocol/json/schema.h"
#include "protocol/reader.h"
#include "protocol/remote_log_segment_metadata_record.h"
#include "protocol/remote_log_segment_metadata_snapshot_record.h"
#include "protocol/remote_log_segment_metadata_update_record.h"
#include "protocol/remote_partition_delete_metadata_record.h"
#include "server/dump_log_decoder.h"

namespace millrace::server {
namespace {

Result<std::string_view> segment_state(std::int8_t id) {
    static constexpr std::string_view names[] = {"COPY_SEGMENT_STARTED", "COPY_SEGMENT_FINISHED",
                                                 "DELETE_SEGMENT_STARTED",
                                                 "DELETE_SEGMENT_FINISHED"};
    if (id >= 0 && id < static_cast<int>(std::size(names))) return names[id];
    return fail(ErrorCode::invalid_record, fmt::format("No segment has state {}", id));
}

Result<std::string_view> deletion_state(std::int8_t id) {
    static constexpr std::string_view names[] = {
        "DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED"};
    if (id >= 0 && id < static_cast<int>(std::size(names))) return names[id];
    return fail(ErrorCode::invalid_record, fmt::format("No deletion has state {}", id));
}

template <typename Partition>
std::string partition_text(const Partition& partition) {
    std::string topic;
    append_utf8(topic, partition.name);
    return fmt::format("{}:{}-{}", partition.id.to_string(), topic, partition.partition);
}

template <typename Segment>
std::string segment_text(const Segment& segment) {
    return fmt::format("RemoteLogSegmentId{{topicIdPartition={}, id={}}}",
                       partition_text(segment.topic_id_partition), segment.id.to_string());
}

std::string custom_text(const std::optional<Slice>& custom) {
    if (!custom) return "Optional.empty";
    return fmt::format("Optional[CustomMetadata{{{} bytes}}]", custom->size());
}

template <typename Entry>
Result<std::string> epochs_text(const std::vector<Entry>& entries) {
    if (entries.empty()) return fail(ErrorCode::invalid_record, "A segment has no leader epochs");
    std::map<std::int32_t, std::int64_t> epochs;
    for (const Entry& entry : entries) epochs[entry.leader_epoch] = entry.offset;
    std::string text = "{";
    for (const auto& [epoch, offset] : epochs) {
        if (text.size() > 1) text += ", ";
        text += fmt::format("{}={}", epoch, offset);
    }
    return text + "}";
}

Result<std::string> text_of(const RemoteLogSegmentMetadataRecord& record) {
    ASSIGN_OR_RETURN(std::string epochs, epochs_text(record.segment_leader_epochs));
    ASSIGN_OR_RETURN(std::string_view state, segment_state(record.remote_log_segment_state));
    return fmt::format(
        "RemoteLogSegmentMetadata{{remoteLogSegmentId={}, startOffset={}, endOffset={}, "
        "brokerId={}, maxTimestampMs={}, eventTimestampMs={}, segmentLeaderEpochs={}, "
        "segmentSizeInBytes={}, customMetadata={}, state={}, txnIdxEmpty={}}}",
        segment_text(record.remote_log_segment_id), record.start_offset, record.end_offset,
        record.broker_id, record.max_timestamp_ms, record.event_timestamp_ms, epochs,
        record.segment_size_in_bytes, custom_text(record.custom_metadata), state,
        record.txn_index_empty);
}

Result<std::string> text_of(const RemoteLogSegmentMetadataUpdateRecord& record) {
    ASSIGN_OR_RETURN(std::string_view state, segment_state(record.remote_log_segment_state));
    return fmt::format(
        "RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId={}, customMetadata={}, state={}, "
        "eventTimestampMs={}, brokerId={}}}",
        segment_text(record.remote_log_segment_id), custom_text(record.custom_metadata), state,
        record.event_timestamp_ms, record.broker_id);
}

Result<std::string> text_of(const RemotePartitionDeleteMetadataRecord& record) {
    ASSIGN_OR_RETURN(std::string_view state, deletion_state(record.remote_partition_delete_state));
    return fmt::format(
        "RemotePartitionDeleteMetadata{{topicPartition={}, state={}, eventTimestampMs={}, "
        "brokerId={}}}",
        partition_text(record.topic_id_partition), state, record.event_timestamp_ms,
        record.broker_id);
}

Result<std::string> text_of(const RemoteLogSegmentMetadataSnapshotRecord& record) {
    ASSIGN_OR_RETURN(std::string epochs, epochs_text(record.segment_leader_epochs));
    ASSIGN_OR_RETURN(std::string_view state, segment_state(record.remote_log_segment_state));
    return fmt::format(
        "RemoteLogSegmentMetadataSnapshot{{segmentId={}, startOffset={}, endOffset={}, "
        "maxTimestampMs={}, segmentLeaderEpochs={}, segmentSizeInBytes={}, customMetadata={}, "
        "state={}, txnIdxEmpty={}}}",
        record.segment_id.to_string(), record.start_offset, record.end_offset,
        record.max_timestamp_ms, epochs, record.segment_size_in_bytes,
        custom_text(record.custom_metadata), state, record.txn_index_empty);
}

template <typename Message>
Result<std::string> decoded_text(Reader& in, std::int16_t version) {
    ASSIGN_OR_RETURN(Message message, Message::decode(in, version));
    if (in.remaining() > 0) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("{} bytes follow the record", in.remaining()));
    }
    return text_of(message);
}

}  // namespace

Result<std::string> remote_log_metadata_text(Bytes value) {
    Reader in(value);
    std::uint32_t frame = in.read_uvarint("frame version");
    std::uint32_t type = in.read_uvarint("type");
    std::uint32_t version = in.read_uvarint("version");
    if (!in.ok()) return fail(in.error("remote log metadata record"));
    if (frame != 1 || version > 0) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("It has frame version {} and version {}; known are 1 and 0", frame,
                                version));
    }
    switch (type) {
        case RemoteLogSegmentMetadataRecord::record_type:
            return decoded_text<RemoteLogSegmentMetadataRecord>(in, 0);
        case RemoteLogSegmentMetadataUpdateRecord::record_type:
            return decoded_text<RemoteLogSegmentMetadataUpdateRecord>(in, 0);
        case RemotePartitionDeleteMetadataRecord::record_type:
            return decoded_text<RemotePartitionDeleteMetadataRecord>(in, 0);
        case RemoteLogSegmentMetadataSnapshotRecord::record_type:
            return decoded_text<RemoteLogSegmentMetadataSnapshotRecord>(in, 0);
        default:
            return fail(ErrorCode::unsupported_version,
                        fmt::format("It has type {}, which is not known", type));
    }
}

}  // namespace millrace::server
