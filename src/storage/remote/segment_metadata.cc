#include "storage/remote/segment_metadata.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "base/check.h"
#include "base/murmur2.h"
#include "protocol/reader.h"
#include "protocol/remote_log_segment_metadata_record.h"
#include "protocol/remote_log_segment_metadata_update_record.h"
#include "protocol/remote_partition_delete_metadata_record.h"
#include "protocol/writer.h"

namespace millrace::storage::remote {
namespace {

constexpr std::uint32_t frame_version = 1;
constexpr std::int16_t record_version = 0;

template <typename Message>
Slice framed(const Message& message) {
    Writer out(256);
    out.write_uvarint(frame_version);
    out.write_uvarint(static_cast<std::uint32_t>(Message::record_type));
    out.write_uvarint(static_cast<std::uint32_t>(record_version));
    CHECK(message.encode(out, record_version));
    return std::move(out).finish_in_memory();
}

template <typename Entry>
Entry named(const RemotePartition& partition) {
    return {.name = partition.topic, .id = partition.topic_id, .partition = partition.partition};
}

template <typename Entry>
RemotePartition partition_from(Entry& entry) {
    return {std::move(entry.name), entry.id, entry.partition};
}

std::optional<std::string> text_of(const std::optional<Slice>& bytes) {
    if (!bytes) return std::nullopt;
    return std::string(bytes->view());
}

std::optional<Slice> bytes_of(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return Slice::copy(std::string_view(*text));
}

Slice encode_record(const RemoteLogSegmentMetadata& metadata) {
    const RemoteLogSegment& segment = metadata.segment;
    CHECK(!metadata.leader_epochs.empty());
    CHECK(segment.size <= std::numeric_limits<std::int32_t>::max());
    using Record = RemoteLogSegmentMetadataRecord;
    Record record{
        .remote_log_segment_id = {.topic_id_partition = named<Record::TopicIdPartitionEntry>(
                                      {segment.topic, segment.topic_id, segment.partition}),
                                  .id = segment.id},
        .start_offset = segment.start_offset,
        .end_offset = segment.end_offset,
        .broker_id = segment.broker_id,
        .max_timestamp_ms = segment.max_timestamp,
        .event_timestamp_ms = metadata.event_timestamp,
        .segment_size_in_bytes = static_cast<std::int32_t>(segment.size),
        .custom_metadata = bytes_of(metadata.custom_metadata),
        .remote_log_segment_state = static_cast<std::int8_t>(metadata.state),
        .txn_index_empty = metadata.txn_index_empty,
    };
    for (const EpochStart& each : metadata.leader_epochs) {
        record.segment_leader_epochs.push_back(
            {.leader_epoch = each.epoch, .offset = each.start_offset});
    }
    return framed(record);
}

Slice encode_record(const RemoteLogSegmentMetadataUpdate& update) {
    using Record = RemoteLogSegmentMetadataUpdateRecord;
    return framed(Record{
        .remote_log_segment_id = {.topic_id_partition =
                                      named<Record::TopicIdPartitionEntry>(update.partition),
                                  .id = update.id},
        .broker_id = update.broker_id,
        .event_timestamp_ms = update.event_timestamp,
        .custom_metadata = bytes_of(update.custom_metadata),
        .remote_log_segment_state = static_cast<std::int8_t>(update.state),
    });
}

Slice encode_record(const RemotePartitionDeleteMetadata& deletion) {
    using Record = RemotePartitionDeleteMetadataRecord;
    return framed(
        Record{.topic_id_partition = named<Record::TopicIdPartitionEntry>(deletion.partition),
               .broker_id = deletion.broker_id,
               .event_timestamp_ms = deletion.event_timestamp,
               .remote_partition_delete_state = static_cast<std::int8_t>(deletion.state)});
}

std::unexpected<Error> invalid(std::string what) {
    return fail(ErrorCode::invalid_record,
                fmt::format("a record of remote log metadata {}", std::move(what)));
}

Result<RemoteLogSegmentState> segment_state(std::int8_t state) {
    if (state < 0 || state > 3) return invalid(fmt::format("has segment state {}", state));
    return static_cast<RemoteLogSegmentState>(state);
}

Result<RemoteLogMetadata> from(RemoteLogSegmentMetadataRecord record) {
    ASSIGN_OR_RETURN(RemoteLogSegmentState state, segment_state(record.remote_log_segment_state));
    bool plausible = record.start_offset >= 0 && record.end_offset >= record.start_offset &&
                     record.segment_size_in_bytes >= 0 && !record.segment_leader_epochs.empty();
    if (!plausible) {
        return invalid(fmt::format(
            "has a segment of offsets {} to {}, {} bytes and {} epochs", record.start_offset,
            record.end_offset, record.segment_size_in_bytes, record.segment_leader_epochs.size()));
    }
    auto& id = record.remote_log_segment_id;
    RemoteLogSegmentMetadata metadata{
        .segment = {.topic = std::move(id.topic_id_partition.name),
                    .topic_id = id.topic_id_partition.id,
                    .partition = id.topic_id_partition.partition,
                    .id = id.id,
                    .start_offset = record.start_offset,
                    .end_offset = record.end_offset,
                    .max_timestamp = record.max_timestamp_ms,
                    .broker_id = record.broker_id,
                    .size = static_cast<std::uint64_t>(record.segment_size_in_bytes)},
        .event_timestamp = record.event_timestamp_ms,
        .state = state,
        .txn_index_empty = record.txn_index_empty,
        .custom_metadata = text_of(record.custom_metadata)};
    for (const auto& each : record.segment_leader_epochs) {
        metadata.leader_epochs.push_back({each.leader_epoch, each.offset});
    }
    std::ranges::sort(metadata.leader_epochs, {}, &EpochStart::epoch);
    auto same = std::ranges::adjacent_find(metadata.leader_epochs, {}, &EpochStart::epoch);
    if (same != metadata.leader_epochs.end()) {
        return invalid(fmt::format("names epoch {} twice", same->epoch));
    }
    return metadata;
}

Result<RemoteLogMetadata> from(RemoteLogSegmentMetadataUpdateRecord record) {
    ASSIGN_OR_RETURN(RemoteLogSegmentState state, segment_state(record.remote_log_segment_state));
    if (state == RemoteLogSegmentState::copy_segment_started) {
        return invalid("begins the copy of a segment without telling what it is");
    }
    auto& id = record.remote_log_segment_id;
    return RemoteLogSegmentMetadataUpdate{.partition = partition_from(id.topic_id_partition),
                                          .id = id.id,
                                          .broker_id = record.broker_id,
                                          .event_timestamp = record.event_timestamp_ms,
                                          .state = state,
                                          .custom_metadata = text_of(record.custom_metadata)};
}

Result<RemoteLogMetadata> from(RemotePartitionDeleteMetadataRecord record) {
    std::int8_t state = record.remote_partition_delete_state;
    if (state < 0 || state > 2) return invalid(fmt::format("has deletion state {}", state));
    return RemotePartitionDeleteMetadata{.partition = partition_from(record.topic_id_partition),
                                         .broker_id = record.broker_id,
                                         .event_timestamp = record.event_timestamp_ms,
                                         .state = static_cast<RemotePartitionDeleteState>(state)};
}

template <typename Message>
Result<RemoteLogMetadata> decoded(Reader& in) {
    ASSIGN_OR_RETURN(Message message, Message::decode(in, record_version));
    if (in.remaining() > 0) return invalid(fmt::format("has {} bytes too many", in.remaining()));
    return from(std::move(message));
}

}  // namespace

std::string_view name_of(RemoteLogSegmentState state) {
    switch (state) {
        case RemoteLogSegmentState::copy_segment_started:
            return "COPY_SEGMENT_STARTED";
        case RemoteLogSegmentState::copy_segment_finished:
            return "COPY_SEGMENT_FINISHED";
        case RemoteLogSegmentState::delete_segment_started:
            return "DELETE_SEGMENT_STARTED";
        case RemoteLogSegmentState::delete_segment_finished:
            return "DELETE_SEGMENT_FINISHED";
    }
    return "";
}

bool is_valid_transition(std::optional<RemoteLogSegmentState> from, RemoteLogSegmentState to) {
    using enum RemoteLogSegmentState;
    if (!from) return to == copy_segment_started;
    if (*from == to) return true;
    switch (*from) {
        case copy_segment_started:
            return to == copy_segment_finished || to == delete_segment_started;
        case copy_segment_finished:
            return to == delete_segment_started;
        case delete_segment_started:
            return to == delete_segment_finished;
        case delete_segment_finished:
            return false;
    }
    return false;
}

Offset RemoteLogSegmentMetadata::end_of_epoch(std::int32_t epoch) const {
    auto next = std::ranges::upper_bound(leader_epochs, epoch, {}, &EpochStart::epoch);
    return next == leader_epochs.end() ? segment.end_offset : next->start_offset - 1;
}

RemotePartition partition_of(const RemoteLogMetadata& record) {
    if (const auto* metadata = std::get_if<RemoteLogSegmentMetadata>(&record)) {
        const RemoteLogSegment& segment = metadata->segment;
        return {segment.topic, segment.topic_id, segment.partition};
    }
    if (const auto* update = std::get_if<RemoteLogSegmentMetadataUpdate>(&record)) {
        return update->partition;
    }
    return std::get<RemotePartitionDeleteMetadata>(record).partition;
}

Slice encode(const RemoteLogMetadata& record) {
    return std::visit([](const auto& each) { return encode_record(each); }, record);
}

Result<RemoteLogMetadata> decode_remote_log_metadata(Bytes value) {
    Reader in(value);
    std::uint32_t frame = in.read_uvarint("frame version");
    std::uint32_t type = in.read_uvarint("type");
    std::uint32_t version = in.read_uvarint("version");
    if (!in.ok()) return fail(in.error("remote log metadata record"));
    if (frame == frame_version && version == static_cast<std::uint32_t>(record_version)) {
        switch (type) {
            case RemoteLogSegmentMetadataRecord::record_type:
                return decoded<RemoteLogSegmentMetadataRecord>(in);
            case RemoteLogSegmentMetadataUpdateRecord::record_type:
                return decoded<RemoteLogSegmentMetadataUpdateRecord>(in);
            case RemotePartitionDeleteMetadataRecord::record_type:
                return decoded<RemotePartitionDeleteMetadataRecord>(in);
            default:
                break;
        }
    }
    return fail(ErrorCode::unsupported_version,
                fmt::format("a record of remote log metadata has frame version {}, type {} and "
                            "version {}; known are frame 1, types 0 to 2 and version 0",
                            frame, type, version));
}

// Java's Objects.hash() of the id's two halves, the lower one first, and the partition; murmur2 of
// its four bytes.
std::int32_t metadata_partition_of(const Uuid& topic_id, std::int32_t partition,
                                   std::int32_t partitions) {
    auto folded = [](std::uint64_t half) {
        return static_cast<std::uint32_t>(half ^ (half >> 32U));
    };
    std::uint32_t hash = 1;
    for (std::uint32_t part :
         {folded(topic_id.low), folded(topic_id.high), static_cast<std::uint32_t>(partition)}) {
        hash = 31 * hash + part;
    }
    std::uint8_t bytes[4];
    store_be(bytes, hash);
    return static_cast<std::int32_t>(murmur2(Bytes(bytes, 4)) & 0x7fffffffU) % partitions;
}

}  // namespace millrace::storage::remote
