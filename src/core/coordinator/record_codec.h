#pragma once

#include <cstdint>
#include <fmt/core.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/result.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::coordinator {

// A 16-bit prefix (record type of a key, version of a value), then the message.
template <typename Message>
Slice encode(std::int16_t prefix, const Message& message, std::int16_t version) {
    Writer writer;
    writer.write_int16(prefix);
    Result<> done = message.encode(writer, version);
    CHECK(done);  // made of fields that were decoded from requests of the same limits
    return std::move(writer).finish_in_memory();
}
template <typename Key>
Slice encode_key(const Key& key) {
    return encode(Key::record_type, key, 0);
}
template <typename Value>
Slice encode_value(const Value& value, std::int16_t version) {
    return encode(version, value, version);
}

// corrupt_message: nobody knows the version, or the bytes are none of it.
template <typename Value>
Result<Value> decode_value(Bytes bytes) {
    if (bytes.size() < 2) return fail(ErrorCode::corrupt_message, "a value without its version");
    auto version = load_be<std::int16_t>(bytes.data());
    if (version < 0 || version > Value::max_version) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("value version {} is unknown", version));
    }
    Reader reader(bytes.subspan(2));
    return Value::decode(reader, version);
}

}  // namespace millrace::coordinator
