#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/json/schema.h"

namespace millrace {

class Reader;

struct JsonOptions {
    // Which version's members are there; as the bytes when not said.
    std::optional<std::int16_t> shown_as;
    // Appends what a bytes field holds, where that is a message of its own; false leaves it to be
    // base64.
    bool (*embedded)(std::string& to, const FieldSchema& field, Bytes value) = nullptr;
};

// Appends the next message in `in` as compact JSON, member by member what Kafka's JSON converters
// give: tagged fields only where they differ from their defaults, uuids in base64url, bytes in
// base64, records as an empty text. A version that the message does not have is taken as the
// nearest one; whoever must refuse it looks at schema.versions. Memory follows the bytes that are
// there. The error is Reader::error's.
Result<> append_json(std::string& to, const MessageSchema& schema, Reader& in, std::int16_t version,
                     const JsonOptions& options = {});

}  // namespace millrace
