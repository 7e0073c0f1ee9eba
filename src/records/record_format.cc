#include "records/record_format.h"

namespace millrace {
namespace {

// A length and that many bytes; nullopt bytes for a negative length. Returns nullptr when cut.
const std::uint8_t* get_nullable(const std::uint8_t* at, const std::uint8_t* end,
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

const char* check_headers(const std::uint8_t* at, const std::uint8_t* end, std::int32_t count) {
    for (std::int32_t i = 0; i < count; ++i) {
        std::optional<Bytes> part;
        at = get_nullable(at, end, part);
        if (at == nullptr) return "a header key runs past the record";
        if (!part) return "a header key is null";
        at = get_nullable(at, end, part);
        if (at == nullptr) return "a header value runs past the record";
    }
    return at == end ? nullptr : "bytes are left behind its headers";
}

}  // namespace

const char* decode_record(Bytes body, EncodedRecord& record) {
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
