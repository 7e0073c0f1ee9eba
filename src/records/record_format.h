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

// Reads what lies behind the length of a record; `body` is exactly that long. Returns nullptr, or
// what is wrong. A negative length of key or value means null, as in Apache's readers.
const char* decode_record(Bytes body, EncodedRecord& record);

}  // namespace millrace
