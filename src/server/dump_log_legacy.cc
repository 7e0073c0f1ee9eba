#include "server/dump_log_legacy.h"

#include <algorithm>
#include <fmt/format.h>
#include <zlib.h>

#include "records/decompressor.h"
#include "records/framing.h"
#include "server/dump_log_records.h"

namespace millrace::server {
namespace {

constexpr std::size_t crc_at = 12;
constexpr std::size_t magic_at = 16;
constexpr std::size_t attributes_at = 17;
constexpr std::size_t timestamp_at = 18;

std::size_t header_size(std::int8_t magic) { return magic == 0 ? timestamp_at : timestamp_at + 8; }

std::uint32_t crc32_of(Bytes bytes, std::uint32_t crc = 0) {
    return static_cast<std::uint32_t>(
        ::crc32_z(crc, bytes.data(), static_cast<z_size_t>(bytes.size())));
}

// One message: what it says, in place.
struct Message {
    BatchLine line;
    std::optional<Bytes> key;
    std::optional<Bytes> value;
    bool valid = false;
};

std::unexpected<Error> refuse(std::string_view why) {
    return fail(ErrorCode::corrupt_message, std::string(why));
}

Result<std::optional<Bytes>> take_sized(Bytes& rest) {
    if (rest.size() < 4) return refuse("a record ends within a length");
    auto size = load_be<std::int32_t>(rest.data());
    rest = rest.subspan(4);
    if (size < 0) return std::nullopt;
    if (static_cast<std::size_t>(size) > rest.size()) {
        return refuse(fmt::format("a record claims {} bytes where {} are", size, rest.size()));
    }
    Bytes bytes = rest.first(static_cast<std::size_t>(size));
    rest = rest.subspan(bytes.size());
    return bytes;
}

// The message that begins `bytes`, which then begin behind it.
Result<Message> take_message(Bytes& bytes) {
    if (bytes.size() < magic_at) return refuse("a record is cut short");
    auto length = load_be<std::int32_t>(bytes.data() + batch_layout::length);
    if (length < 14 || static_cast<std::size_t>(length) > bytes.size() - batch_prefix_size) {
        return refuse(fmt::format("a record has a length of {}", length));
    }
    Bytes all = bytes.first(batch_prefix_size + static_cast<std::size_t>(length));
    Message message;
    ASSIGN_OR_RETURN(message.line, legacy_line(all));
    message.valid = crc32_of(all.subspan(magic_at)) == message.line.crc;
    Bytes rest = all.subspan(header_size(message.line.magic));
    ASSIGN_OR_RETURN(message.key, take_sized(rest));
    ASSIGN_OR_RETURN(message.value, take_sized(rest));
    bytes = bytes.subspan(all.size());
    return message;
}

Result<> visit_one(const Message& message, std::int64_t offset, Timestamp timestamp,
                   BatchRecords& visitor) {
    Record record{.offset = offset,
                  .timestamp = timestamp,
                  .key = message.key,
                  .value = message.value,
                  .size = 0};
    return visitor.record(record, RecordLine::Checksum{message.valid, message.line.crc});
}

// Writers of magic 0 counted the frame's magic number into the checksum of an LZ4 header: the
// stream with the checksum as it should be.
void mend_lz4(MutableBytes stream) {
    constexpr std::size_t flags_at = 4;
    constexpr std::uint8_t has_content_size = 0x08;
    if (stream.size() <= flags_at) return;
    std::size_t descriptor = (stream[flags_at] & has_content_size) != 0 ? 10 : 2;
    std::size_t checksum_at = flags_at + descriptor;
    if (stream.size() <= checksum_at) return;
    std::uint32_t hash = framing::xxh32(Bytes(stream).subspan(flags_at, descriptor));
    stream[checksum_at] = static_cast<std::uint8_t>(hash >> 8U);
}

Result<Buffer> inflate_value(const Message& wrapper, std::size_t limit) {
    Buffer inflated;
    if (!wrapper.value) return refuse("a compressed record has no value");
    std::optional<Codec> codec = codec_of_id(wrapper.line.codec_id);
    if (!codec || *codec == Codec::zstd) {
        return refuse(fmt::format("codec {} does not go with magic {}", wrapper.line.codec_id,
                                  wrapper.line.magic));
    }
    Buffer stream;
    stream.append(*wrapper.value);
    if (*codec == Codec::lz4 && wrapper.line.magic == 0) mend_lz4(stream.mutable_bytes());
    Decompressor decompressor;
    RETURN_IF_ERROR(decompressor.start(*codec, stream.bytes(), limit));
    constexpr std::size_t piece = 64U << 10U;
    while (true) {
        std::size_t before = inflated.size();
        inflated.resize(before + piece);
        ASSIGN_OR_RETURN(std::size_t more,
                         decompressor.read(inflated.mutable_bytes().subspan(before)));
        inflated.resize(before + more);
        if (more == 0) return inflated;
    }
}

// The inner offsets of magic 1 count from the first; the wrapper's is that of the last.
Result<std::int64_t> base_of(const Message& wrapper, Bytes inner) {
    if (wrapper.line.magic == 0) return 0;
    std::int64_t last = 0;
    while (!inner.empty()) {
        ASSIGN_OR_RETURN(Message message, take_message(inner));
        last = message.line.last_offset;
    }
    if (wrapper.line.last_offset == 0) return 0;  // as some versions of librdkafka wrote it
    if (wrapper.line.last_offset < last) {
        return refuse(fmt::format("a compressed record at offset {} holds one at {}",
                                  wrapper.line.last_offset, last));
    }
    return wrapper.line.last_offset - last;
}

}  // namespace

Result<BatchLine> legacy_line(Bytes header) {
    if (header.size() <= attributes_at) return refuse("a record is cut short");
    BatchLine line;
    line.magic = static_cast<std::int8_t>(header[magic_at]);
    if (line.magic != 0 && line.magic != 1) {
        return refuse(fmt::format("a batch has magic {}, which is none", line.magic));
    }
    if (header.size() < header_size(line.magic)) return refuse("a record is cut short");
    line.last_offset = load_be<std::int64_t>(header.data());
    line.crc = load_be<std::uint32_t>(header.data() + crc_at);
    line.codec_id = header[attributes_at] & batch_attributes::codec_mask;
    if (line.magic == 1) {
        bool appended = (header[attributes_at] & batch_attributes::log_append_time) != 0;
        line.timestamp_type =
            appended ? TimestampType::log_append_time : TimestampType::create_time;
        line.max_timestamp = load_be<Timestamp>(header.data() + timestamp_at);
    }
    return line;
}

Result<> check_legacy(FileWindow& file, BatchLine& line) {
    std::uint32_t crc = 0;
    std::uint64_t at = line.position + magic_at;
    std::uint64_t left = line.size - magic_at;
    while (left > 0) {
        constexpr std::size_t piece = 256U << 10U;
        ASSIGN_OR_RETURN(
            Bytes bytes,
            file.at(at, static_cast<std::size_t>(std::min<std::uint64_t>(left, piece))));
        if (bytes.empty()) break;
        crc = crc32_of(bytes, crc);
        at += bytes.size();
        left -= bytes.size();
    }
    line.valid = crc == line.crc;
    return {};
}

Result<> visit_legacy(Bytes batch, const BatchLine& line, std::size_t limit,
                      BatchRecords& visitor) {
    ASSIGN_OR_RETURN(Message wrapper, take_message(batch));
    if (line.codec_id == 0) {
        return visit_one(wrapper, line.last_offset, line.max_timestamp, visitor);
    }
    ASSIGN_OR_RETURN(Buffer inflated, inflate_value(wrapper, limit));
    Bytes inner = inflated.bytes();
    if (inner.empty()) return refuse("a compressed record holds none");
    ASSIGN_OR_RETURN(std::int64_t base, base_of(wrapper, inner));
    while (!inner.empty()) {
        ASSIGN_OR_RETURN(Message message, take_message(inner));
        if (message.line.codec_id != 0) return refuse("a compressed record holds another");
        Timestamp timestamp = message.line.max_timestamp;
        if (message.line.magic == 1 && line.timestamp_type == TimestampType::log_append_time) {
            timestamp = line.max_timestamp;
        }
        RETURN_IF_ERROR(visit_one(message, base + message.line.last_offset, timestamp, visitor));
    }
    return {};
}

}  // namespace millrace::server
