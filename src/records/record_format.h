#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/varint.h"
#include "records/record.h"

namespace millrace {

// A record as encoded, relative to its batch.
struct EncodedRecord {
    std::int64_t timestamp_delta = 0;
    std::int32_t offset_delta = 0;
    std::optional<Bytes> key;
    std::optional<Bytes> value;
    RecordHeaders headers;
};

// A signed varint of 32 bits; returns the byte behind, or nullptr.
inline const std::uint8_t* get_varint32(const std::uint8_t* at, const std::uint8_t* end,
                                        std::int32_t& n) {
    std::int64_t wide = 0;
    at = get_varint(at, end, wide, max_uvarint32_size);
    n = static_cast<std::int32_t>(wide);
    return at;
}

// A length and that many bytes; nullopt bytes for a negative length. Returns nullptr when cut.
inline const std::uint8_t* get_nullable(const std::uint8_t* at, const std::uint8_t* end,
                                        std::optional<Bytes>& bytes) {
    std::int32_t length = 0;
    at = get_varint32(at, end, length);
    if (at == nullptr) return nullptr;
    if (length < 0) {
        bytes.reset();
        return at;
    }
    if (length > end - at) return nullptr;
    bytes = Bytes(at, static_cast<std::size_t>(length));
    return at + length;
}

// `count` headers fill [at, end); nullptr, or what is wrong.
const char* check_headers(const std::uint8_t* at, const std::uint8_t* end, std::int32_t count);

// Reads what lies behind the length of a record; `body` is exactly that long. Returns nullptr, or
// what is wrong. A negative length of key or value means null, as in Apache's readers.
// Inline: a batch is checked record by record, and most of what is read is not looked at there.
[[gnu::always_inline]] inline const char* decode_record(Bytes body, EncodedRecord& record) {
    const std::uint8_t* at = body.data();
    const std::uint8_t* end = at + body.size();
    if (at == end) return "it is empty";
    ++at;  // attributes, of which none has a meaning
    at = get_varint(at, end, record.timestamp_delta);
    if (at == nullptr) return "its timestamp is cut short";
    at = get_varint32(at, end, record.offset_delta);
    if (at == nullptr) return "its offset is cut short";
    at = get_nullable(at, end, record.key);
    if (at == nullptr) return "its key runs past the record";
    at = get_nullable(at, end, record.value);
    if (at == nullptr) return "its value runs past the record";
    std::int32_t count = 0;
    at = get_varint32(at, end, count);
    if (at == nullptr) return "its header count is cut short";
    if (count < 0) return "its header count is negative";
    if (count > end - at) return "it has fewer bytes than headers";
    record.headers = RecordHeaders(count, Bytes(at, end));
    if (count == 0) return at == end ? nullptr : "bytes are left behind its value";
    return check_headers(at, end, count);
}

}  // namespace millrace
