#include "core/share/share_records.h"

#include <charconv>
#include <fmt/core.h>

#include "core/coordinator/record_codec.h"
#include "protocol/share_snapshot.h"
#include "protocol/share_update.h"

namespace millrace::share {
namespace {

using coordinator::encode_key;
using coordinator::encode_value;

template <typename Value>
void put(const ShareState& state, Value& value) {
    value.snapshot_epoch = state.snapshot_epoch;
    value.leader_epoch = state.leader_epoch;
    value.start_offset = state.start_offset;
    value.delivery_complete_count = state.delivery_complete_count;
    for (const StateBatch& batch : state.batches) {
        value.state_batches.push_back({.first_offset = batch.first,
                                       .last_offset = batch.last,
                                       .delivery_state = static_cast<std::int8_t>(batch.state),
                                       .delivery_count = batch.delivery_count});
    }
}

template <typename Value>
ShareState state_of(const Value& value) {
    ShareState state{.snapshot_epoch = value.snapshot_epoch,
                     .leader_epoch = value.leader_epoch,
                     .start_offset = value.start_offset,
                     .delivery_complete_count = value.delivery_complete_count};
    for (const auto& batch : value.state_batches) {
        state.batches.push_back({batch.first_offset, batch.last_offset,
                                 static_cast<RecordState>(batch.delivery_state),
                                 batch.delivery_count});
    }
    return state;
}

template <typename Key>
Result<ShareKey> key_of(Bytes bytes) {
    Reader reader(bytes);
    ASSIGN_OR_RETURN(Key key, Key::decode(reader, 0));
    return ShareKey{std::move(key.group_id), key.topic_id, key.partition};
}

}  // namespace

std::string ShareKey::to_string() const {
    return fmt::format("{}:{}:{}", group_id, topic_id.to_string(), partition);
}

// A group's id may have colons itself.
Result<ShareKey> parse_share_key(std::string_view text) {
    std::size_t last = text.rfind(':');
    std::size_t middle = last == std::string_view::npos || last == 0 ? std::string_view::npos
                                                                     : text.rfind(':', last - 1);
    auto refuse = [&] {
        return fail(ErrorCode::invalid_request,
                    fmt::format("{} is no share partition: GROUP:TOPIC-ID:PARTITION", text));
    };
    if (middle == std::string_view::npos || middle == 0) return refuse();
    Result<Uuid> topic = Uuid::parse(text.substr(middle + 1, last - middle - 1));
    std::int32_t partition = -1;
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data() + last + 1, end, partition);
    if (!topic || error != std::errc() || stop != end || partition < 0) return refuse();
    return ShareKey{std::string(text.substr(0, middle)), *topic, partition};
}

coordinator::Record snapshot_record(const ShareKey& key, const ShareState& state) {
    ShareSnapshotValue value{.state_epoch = state.state_epoch,
                             .create_timestamp = state.create_timestamp,
                             .write_timestamp = state.write_timestamp};
    put(state, value);
    return {encode_key(ShareSnapshotKey{key.group_id, key.topic_id, key.partition}),
            encode_value(value, 0)};
}

coordinator::Record update_record(const ShareKey& key, const ShareState& state) {
    ShareUpdateValue value;
    put(state, value);
    return {encode_key(ShareUpdateKey{key.group_id, key.topic_id, key.partition}),
            encode_value(value, 0)};
}

coordinator::Record share_tombstone(const ShareKey& key) {
    return {encode_key(ShareSnapshotKey{key.group_id, key.topic_id, key.partition}), std::nullopt};
}

Result<std::optional<ShareEntry>> parse(const coordinator::Record& record) {
    Bytes key = record.key.bytes();
    if (key.size() < 2) return fail(ErrorCode::corrupt_message, "a record without a type");
    auto type = load_be<std::int16_t>(key.data());
    Bytes rest = key.subspan(2);
    if (type == ShareSnapshotKey::record_type) {
        ASSIGN_OR_RETURN(ShareKey of, key_of<ShareSnapshotKey>(rest));
        if (!record.value) return ShareEntry{std::move(of), ShareGone{}};
        ASSIGN_OR_RETURN(auto value,
                         coordinator::decode_value<ShareSnapshotValue>(record.value->bytes()));
        ShareState state = state_of(value);
        state.state_epoch = value.state_epoch;
        state.create_timestamp = value.create_timestamp;
        state.write_timestamp = value.write_timestamp;
        return ShareEntry{std::move(of), ShareSnapshot{std::move(state)}};
    }
    if (type == ShareUpdateKey::record_type) {
        ASSIGN_OR_RETURN(ShareKey of, key_of<ShareUpdateKey>(rest));
        if (!record.value) return std::nullopt;
        ASSIGN_OR_RETURN(auto value,
                         coordinator::decode_value<ShareUpdateValue>(record.value->bytes()));
        return ShareEntry{std::move(of), ShareUpdate{state_of(value)}};
    }
    return std::nullopt;
}

}  // namespace millrace::share
