#include "records/record.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/check.h"
#include "records/decompressor.h"
#include "records/record_format.h"
#include "records/record_window.h"

namespace millrace {
namespace {

bool same_bytes(const std::optional<Bytes>& a, const std::optional<Bytes>& b) {
    return a.has_value() == b.has_value() && (!a || std::ranges::equal(*a, *b));
}

// A length and bytes of a header that was checked before.
std::optional<Bytes> take_checked(Bytes& rest) {
    std::int32_t length = 0;
    const std::uint8_t* end = rest.data() + rest.size();
    const std::uint8_t* at = get_varint32(rest.data(), end, length);
    CHECK(at != nullptr && length <= end - at);
    if (length < 0) {
        rest = Bytes(at, end);
        return std::nullopt;
    }
    rest = Bytes(at + length, end);
    return Bytes(at, static_cast<std::size_t>(length));
}

}  // namespace

bool RecordHeader::operator==(const RecordHeader& other) const {
    return key == other.key && same_bytes(value, other.value);
}

RecordHeaders::Iterator::Iterator(std::int32_t left, Bytes encoded) : left_(left), rest_(encoded) {
    if (left_ > 0) load();
}

RecordHeaders::Iterator& RecordHeaders::Iterator::operator++() {
    if (--left_ > 0) load();
    return *this;
}

void RecordHeaders::Iterator::load() {
    header_.key = as_string(take_checked(rest_).value_or(Bytes()));
    header_.value = take_checked(rest_);
}

class RecordReader::Source {
  public:
    Source(Codec codec, Bytes payload, std::size_t limit)
        : started_(window_.start(codec, payload, limit)) {}

    // The window, or why the stream could not be begun.
    Result<RecordWindow*> window() {
        RETURN_IF_ERROR(started_);
        return &window_;
    }

  private:
    RecordWindow window_;
    Result<> started_;
};

RecordReader::RecordReader(const BatchView& batch, Bytes inflated)
    : rest_(inflated),
      base_offset_(batch.base_offset()),
      base_timestamp_(batch.base_timestamp()),
      base_sequence_(batch.base_sequence()),
      count_(batch.count()) {
    if (batch.timestamp_type() == TimestampType::log_append_time)
        append_time_ = batch.max_timestamp();
}

RecordReader::RecordReader(const BatchView& batch, std::size_t limit)
    : RecordReader(batch, batch.payload()) {
    if (batch.codec_id() == 0) return;
    codec_id_ = batch.codec_id();
    if (batch.codec() && count_ > 0)
        source_ = std::make_unique<Source>(*batch.codec(), batch.payload(), limit);
}

RecordReader::RecordReader(RecordReader&& other) noexcept = default;
RecordReader& RecordReader::operator=(RecordReader&& other) noexcept = default;
RecordReader::~RecordReader() = default;

std::unexpected<Error> RecordReader::refuse(std::string_view reason) const {
    return fail(ErrorCode::invalid_record,
                fmt::format("Record {} of {} in the batch at offset {} is broken: {}", read_,
                            count_, base_offset_, reason));
}

Result<const Record*> RecordReader::next() {
    if (count_ < 0)
        return fail(
            ErrorCode::invalid_record,
            fmt::format("The batch at offset {} has a record count of {}", base_offset_, count_));
    if (read_ == count_) return nullptr;
    if (codec_id_ == 0) return next_in_place();
    if (source_ == nullptr)
        return fail(ErrorCode::unknown_server_error,
                    fmt::format("The batch at offset {} has the unknown codec {}", base_offset_,
                                codec_id_));
    return next_of_stream();
}

Result<> RecordReader::parse(Bytes body, std::size_t prefix_size) {
    EncodedRecord encoded;
    if (const char* wrong = decode_record(body, encoded)) return refuse(wrong);
    record_.offset = static_cast<std::int64_t>(static_cast<std::uint64_t>(base_offset_) +
                                               static_cast<std::uint64_t>(encoded.offset_delta));
    record_.timestamp =
        append_time_ ? *append_time_
                     : static_cast<Timestamp>(static_cast<std::uint64_t>(base_timestamp_) +
                                              static_cast<std::uint64_t>(encoded.timestamp_delta));
    record_.key = encoded.key;
    record_.value = encoded.value;
    record_.headers = encoded.headers;
    record_.size = prefix_size + body.size();
    record_.sequence =
        base_sequence_ < 0 ? no_sequence : advance_sequence(base_sequence_, encoded.offset_delta);
    ++read_;
    return {};
}

Result<const Record*> RecordReader::next_in_place() {
    const std::uint8_t* end = rest_.data() + rest_.size();
    std::int32_t length = 0;
    const std::uint8_t* body = get_varint32(rest_.data(), end, length);
    if (body == nullptr) return refuse("its length is cut short");
    if (length < 0 || length > end - body)
        return refuse(fmt::format("it is {} bytes long, {} are left", length, end - body));
    auto prefix_size = static_cast<std::size_t>(body - rest_.data());
    RETURN_IF_ERROR(parse(Bytes(body, static_cast<std::size_t>(length)), prefix_size));
    rest_ = Bytes(body + length, end);
    if (read_ == count_ && !rest_.empty())
        return refuse(fmt::format("{} bytes are left behind the last one", rest_.size()));
    return &record_;
}

Result<const Record*> RecordReader::next_of_stream() {
    ASSIGN_OR_RETURN(RecordWindow * window, source_->window());
    // The record handed out last was a view into the window.
    window->consume(held_);
    held_ = 0;
    ASSIGN_OR_RETURN(std::int64_t length, window->varint(max_uvarint32_size));
    if (length < 0) return refuse(fmt::format("it is {} bytes long", length));
    auto size = static_cast<std::size_t>(length);
    ASSIGN_OR_RETURN(bool whole, window->fill(size));
    if (!whole) return refuse(fmt::format("it is {} bytes long, fewer are left", length));
    if (read_ + 1 == count_) {
        // The end is looked for before the record is: that may move the window.
        ASSIGN_OR_RETURN(bool more, window->fill(size + 1));
        if (more) return refuse("bytes are left behind the last one");
    }
    RETURN_IF_ERROR(parse(window->available().first(size), varint_size(length)));
    held_ = size;
    return &record_;
}

Result<Slice> inflate(const Slice& batch, std::size_t limit) {
    ASSIGN_OR_RETURN(BatchView view, BatchView::parse(batch));
    if (view.codec_id() == 0) return batch.slice(batch_header_size, view.payload().size());
    if (!view.codec())
        return fail(ErrorCode::unknown_server_error,
                    fmt::format("The batch at offset {} has the unknown codec {}",
                                view.base_offset(), view.codec_id()));
    if (view.count() == 0) return Slice();
    return decompress(*view.codec(), view.payload(), limit);
}

Result<ControlType> control_type(const Record& record) {
    if (!record.key || record.key->size() < 4)
        return fail(ErrorCode::invalid_record,
                    fmt::format("The control record at offset {} has no type", record.offset));
    if (auto version = load_be<std::int16_t>(record.key->data()); version < 0)
        return fail(
            ErrorCode::invalid_record,
            fmt::format("The control record at offset {} has version {}", record.offset, version));
    return static_cast<ControlType>(load_be<std::int16_t>(record.key->data() + 2));
}

Result<TransactionMarker> transaction_marker(const BatchView& batch) {
    RecordReader reader(batch);
    ASSIGN_OR_RETURN(const Record* record, reader.next());
    if (!batch.is_control() || record == nullptr)
        return fail(ErrorCode::invalid_record,
                    fmt::format("The batch at offset {} holds no marker", batch.base_offset()));
    ASSIGN_OR_RETURN(ControlType type, control_type(*record));
    if (type != ControlType::commit && type != ControlType::abort)
        return fail(ErrorCode::invalid_record,
                    fmt::format("The control record at offset {} has type {}, which ends no "
                                "transaction",
                                record->offset, static_cast<int>(type)));
    if (!record->value || record->value->size() < 6 ||
        load_be<std::int16_t>(record->value->data()) < 0)
        return fail(
            ErrorCode::invalid_record,
            fmt::format("The marker at offset {} has no coordinator epoch", record->offset));
    return TransactionMarker{type, load_be<std::int32_t>(record->value->data() + 2)};
}

}  // namespace millrace
