#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace {

// Every message of schema/, for tests and tools that get to know only at run time which one they
// have in hand.
struct MessageInfo {
    std::string_view name;  // of the C++ class
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;
    // Decodes one message, leaving in `bytes` what is behind it, and encodes what it said.
    Result<Slice> (*again)(Bytes& bytes, std::int16_t version) = nullptr;
    // A message whose fields have their defaults; fails where a version has no null for one.
    Result<Slice> (*initial)(std::int16_t version) = nullptr;
};

// In the order of names.
std::span<const MessageInfo> all_messages();
const MessageInfo* find_message(std::string_view name);

}  // namespace millrace
