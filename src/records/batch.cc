#include "records/batch.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/crc32c.h"

namespace millrace {
namespace {

// The least length of a batch of magic 0; with one below it not even the magic can be trusted.
constexpr std::int32_t least_length = 14;

Result<> check_frame(std::int32_t length, std::int8_t magic) {
    if (magic == 0 || magic == 1)
        return fail(ErrorCode::unsupported_for_message_format,
                    fmt::format("A batch has magic {}; only magic 2 is read here", magic));
    if (magic != current_magic)
        return fail(ErrorCode::corrupt_message, fmt::format("A batch has magic {}", magic));
    if (length < static_cast<std::int32_t>(batch_header_size - batch_prefix_size))
        return fail(ErrorCode::corrupt_message,
                    fmt::format("A batch has length {}, less than its header", length));
    return {};
}

}  // namespace

Result<std::optional<std::size_t>> BatchView::frame_size(Bytes header) {
    if (header.size() < batch_prefix_size) return std::nullopt;
    auto length = load_be<std::int32_t>(header.data() + batch_layout::length);
    if (length < least_length)
        return fail(ErrorCode::corrupt_message,
                    fmt::format("A batch has length {}, less than any batch", length));
    if (header.size() < frame_header_size) return std::nullopt;
    RETURN_IF_ERROR(check_frame(length, static_cast<std::int8_t>(header[batch_layout::magic])));
    return batch_prefix_size + static_cast<std::size_t>(length);
}

Result<std::optional<BatchView>> BatchView::first(Bytes bytes) {
    ASSIGN_OR_RETURN(std::optional<std::size_t> size, frame_size(bytes));
    if (!size || bytes.size() < *size) return std::nullopt;
    return BatchView(bytes.first(*size));
}

Result<BatchView> BatchView::parse(Bytes bytes) {
    ASSIGN_OR_RETURN(std::optional<BatchView> batch, first(bytes));
    if (!batch)
        return fail(ErrorCode::corrupt_message,
                    fmt::format("A batch is cut short after {} bytes", bytes.size()));
    return *batch;
}

std::uint32_t BatchView::computed_crc() const {
    return crc32c(bytes_.subspan(batch_layout::attributes));
}

Result<> BatchView::verify_crc() const {
    std::uint32_t computed = computed_crc();
    if (computed == crc()) [[likely]]
        return {};
    return fail(ErrorCode::corrupt_message,
                fmt::format("The batch at offset {} is corrupt: its CRC is {}, its bytes give {}",
                            base_offset(), crc(), computed));
}

Result<std::optional<BatchView>> BatchReader::next() {
    ASSIGN_OR_RETURN(std::optional<BatchView> batch, BatchView::first(rest()));
    if (batch) position_ += batch->bytes().size();
    return batch;
}

void set_base_offset(MutableBytes batch, std::int64_t offset) {
    store_be(batch.data() + batch_layout::base_offset, offset);
}

void set_leader_epoch(MutableBytes batch, std::int32_t epoch) {
    store_be(batch.data() + batch_layout::leader_epoch, epoch);
}

void set_max_timestamp(MutableBytes batch, TimestampType type, Timestamp max_timestamp) {
    BatchView view = BatchView::trusted(batch);
    if (view.timestamp_type() == type && view.max_timestamp() == max_timestamp) return;
    using namespace batch_attributes;
    std::uint16_t kept =
        view.attributes() & (codec_mask | transactional | control | delete_horizon);
    if (type == TimestampType::log_append_time) kept |= log_append_time;
    store_be(batch.data() + batch_layout::attributes, kept);
    store_be(batch.data() + batch_layout::max_timestamp, max_timestamp);
    refresh_crc(batch);
}

void set_producer(MutableBytes batch, std::int64_t id, std::int16_t epoch, std::int32_t sequence) {
    store_be(batch.data() + batch_layout::producer_id, id);
    store_be(batch.data() + batch_layout::producer_epoch, epoch);
    store_be(batch.data() + batch_layout::base_sequence, sequence);
    refresh_crc(batch);
}

void refresh_crc(MutableBytes batch) {
    std::size_t size = BatchView::trusted(batch).size();
    CHECK(size <= batch.size());
    Bytes covered = Bytes(batch).subspan(batch_layout::attributes, size - batch_layout::attributes);
    store_be(batch.data() + batch_layout::crc, crc32c(covered));
}

}  // namespace millrace
