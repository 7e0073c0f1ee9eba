#include "records/builder.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/varint.h"

namespace millrace {
namespace {

std::size_t nullable_size(const std::optional<Bytes>& bytes) {
    if (!bytes) return varint_size(-1);
    return varint_size(static_cast<std::int64_t>(bytes->size())) + bytes->size();
}

std::uint8_t* put_nullable(std::uint8_t* at, const std::optional<Bytes>& bytes) {
    if (!bytes) return put_varint(at, -1);
    at = put_varint(at, static_cast<std::int64_t>(bytes->size()));
    return std::copy(bytes->begin(), bytes->end(), at);
}

// With the count in front.
std::size_t headers_size(std::span<const RecordHeader> headers) {
    std::size_t size = varint_size(static_cast<std::int64_t>(headers.size()));
    for (const RecordHeader& header : headers)
        size += nullable_size(as_bytes(header.key)) + nullable_size(header.value);
    return size;
}

constexpr std::int64_t widest_delta = std::numeric_limits<std::int32_t>::max();

}  // namespace

BatchBuilder::BatchBuilder(const BatchOptions& options)
    : options_(options), next_offset_(options.base_offset) {
    start_anew();
}

void BatchBuilder::start_anew() {
    options_.base_offset = next_offset_;
    buffer_ = Buffer();
    buffer_.resize(batch_header_size);
    last_offset_.reset();
    base_timestamp_ = options_.delete_horizon;
    max_timestamp_ = no_timestamp;
    count_ = 0;
}

std::uint8_t* BatchBuilder::begin_record(std::int64_t offset, Timestamp timestamp,
                                         const std::optional<Bytes>& key,
                                         const std::optional<Bytes>& value,
                                         std::size_t headers_size) {
    CHECK(offset >= next_offset_ && offset - options_.base_offset <= widest_delta);
    if (!base_timestamp_) base_timestamp_ = timestamp;
    std::int64_t timestamp_delta = static_cast<std::int64_t>(
        static_cast<std::uint64_t>(timestamp) - static_cast<std::uint64_t>(*base_timestamp_));
    std::int64_t offset_delta = offset - options_.base_offset;
    std::size_t body = 1 + varint_size(timestamp_delta) + varint_size(offset_delta) +
                       nullable_size(key) + nullable_size(value) + headers_size;
    CHECK(body <= static_cast<std::size_t>(widest_delta) - buffer_.size());
    auto length = static_cast<std::int64_t>(body);
    std::uint8_t* at = put_varint(buffer_.extend(varint_size(length) + body), length);
    *at++ = 0;
    at = put_varint(at, timestamp_delta);
    at = put_varint(at, offset_delta);
    at = put_nullable(at, key);
    at = put_nullable(at, value);
    next_offset_ = offset + 1;
    last_offset_ = offset;
    max_timestamp_ = std::max(max_timestamp_, timestamp);
    ++count_;
    return at;
}

void BatchBuilder::append(Timestamp timestamp, std::optional<Bytes> key, std::optional<Bytes> value,
                          std::span<const RecordHeader> headers) {
    append_at(next_offset_, timestamp, key, value, headers);
}

void BatchBuilder::append_at(std::int64_t offset, Timestamp timestamp, std::optional<Bytes> key,
                             std::optional<Bytes> value, std::span<const RecordHeader> headers) {
    std::uint8_t* at = begin_record(offset, timestamp, key, value, headers_size(headers));
    at = put_varint(at, static_cast<std::int64_t>(headers.size()));
    for (const RecordHeader& header : headers) {
        at = put_nullable(at, as_bytes(header.key));
        at = put_nullable(at, header.value);
    }
}

void BatchBuilder::append_at(std::int64_t offset, const Record& record) {
    Bytes headers = record.headers.encoded();
    std::size_t size = varint_size(record.headers.size()) + headers.size();
    std::uint8_t* at = begin_record(offset, record.timestamp, record.key, record.value, size);
    at = put_varint(at, record.headers.size());
    std::copy(headers.begin(), headers.end(), at);
}

void BatchBuilder::append_control(Timestamp timestamp, ControlType type, Bytes value) {
    CHECK(options_.control);
    std::uint8_t key[4] = {};
    store_be(key + 2, static_cast<std::int16_t>(type));
    append(timestamp, Bytes(key), value);
}

void BatchBuilder::set_last_offset(std::int64_t offset) {
    CHECK(offset >= next_offset_ - 1 && offset - options_.base_offset <= widest_delta);
    last_offset_ = offset;
    next_offset_ = offset + 1;
}

void BatchBuilder::set_producer(std::int64_t id, std::int16_t epoch, std::int32_t base_sequence) {
    options_.producer_id = id;
    options_.producer_epoch = epoch;
    options_.base_sequence = base_sequence;
}

void BatchBuilder::set_base_offset(std::int64_t offset) {
    std::int64_t moved = offset - options_.base_offset;
    options_.base_offset = offset;
    next_offset_ += moved;
    if (last_offset_) *last_offset_ += moved;
}

std::size_t BatchBuilder::size() const { return buffer_.size(); }

std::size_t BatchBuilder::record_size_bound(std::optional<Bytes> key, std::optional<Bytes> value,
                                            std::span<const RecordHeader> headers) {
    // Length, attributes, timestamp and offset at their widest.
    return max_uvarint32_size + 1 + max_uvarint64_size + max_uvarint32_size + nullable_size(key) +
           nullable_size(value) + headers_size(headers);
}

void BatchBuilder::write_header(MutableBytes batch) const {
    using namespace batch_attributes;
    auto attributes = static_cast<std::uint16_t>(options_.codec);
    if (options_.log_append_time) attributes |= log_append_time;
    if (options_.transactional) attributes |= transactional;
    if (options_.control) attributes |= control;
    if (options_.delete_horizon) attributes |= delete_horizon;

    std::uint8_t* at = batch.data();
    store_be(at + batch_layout::base_offset, options_.base_offset);
    store_be(at + batch_layout::length,
             static_cast<std::int32_t>(batch.size() - batch_prefix_size));
    store_be(at + batch_layout::leader_epoch, options_.leader_epoch);
    store_be(at + batch_layout::magic, current_magic);
    store_be(at + batch_layout::attributes, attributes);
    store_be(at + batch_layout::last_offset_delta,
             static_cast<std::int32_t>(*last_offset_ - options_.base_offset));
    store_be(at + batch_layout::base_timestamp, *base_timestamp_);
    store_be(at + batch_layout::max_timestamp, options_.log_append_time.value_or(max_timestamp_));
    store_be(at + batch_layout::producer_id, options_.producer_id);
    store_be(at + batch_layout::producer_epoch, options_.producer_epoch);
    store_be(at + batch_layout::base_sequence, options_.base_sequence);
    store_be(at + batch_layout::count, count_);
    refresh_crc(batch);
}

Slice BatchBuilder::build() {
    if (empty()) return {};
    if (options_.codec == Codec::none) {
        write_header(buffer_.mutable_bytes());
        Slice batch = std::move(buffer_).freeze();
        start_anew();
        return batch;
    }
    Compressor compressor;
    return build(compressor);
}

Slice BatchBuilder::build(Compressor& compressor) {
    if (options_.codec == Codec::none || empty()) return build();
    Buffer compressed;
    compressed.resize(batch_header_size);
    compressor.compress(options_.codec, options_.level.value_or(default_level(options_.codec)),
                        buffer_.bytes().subspan(batch_header_size), compressed);
    CHECK(compressed.size() <= static_cast<std::size_t>(widest_delta));
    write_header(compressed.mutable_bytes());
    start_anew();
    return std::move(compressed).freeze();
}

Slice empty_batch_like(const BatchView& batch) {
    using namespace batch_attributes;
    Slice copy = Slice::copy(batch.bytes().first(batch_header_size));
    std::uint8_t* at = copy.mutable_data();
    std::uint16_t kept = batch.attributes() & (log_append_time | transactional | control);
    store_be(at + batch_layout::length,
             static_cast<std::int32_t>(batch_header_size - batch_prefix_size));
    store_be(at + batch_layout::attributes, kept);
    store_be(at + batch_layout::base_timestamp, no_timestamp);
    store_be(at + batch_layout::count, std::int32_t{0});
    refresh_crc({at, batch_header_size});
    return copy;
}

Slice transaction_marker_batch(ControlType type, const MarkerOptions& options) {
    CHECK(type == ControlType::commit || type == ControlType::abort);
    std::uint8_t value[6] = {};
    store_be(value + 2, options.coordinator_epoch);
    BatchOptions batch;
    batch.base_offset = options.base_offset;
    batch.leader_epoch = options.leader_epoch;
    batch.producer_id = options.producer_id;
    batch.producer_epoch = options.producer_epoch;
    batch.transactional = true;
    batch.control = true;
    BatchBuilder builder(batch);
    builder.append_control(options.timestamp, type, Bytes(value));
    return builder.build();
}

Slice control_batch(const ControlBatchOptions& options, std::span<const ControlRecord> records) {
    BatchOptions batch;
    batch.base_offset = options.base_offset;
    batch.leader_epoch = options.leader_epoch;
    batch.control = true;
    BatchBuilder builder(batch);
    for (const ControlRecord& record : records)
        builder.append_control(options.timestamp, record.type, record.value);
    return builder.build();
}

}  // namespace millrace
