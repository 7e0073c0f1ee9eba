#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::broker {

// String.hashCode of Java over the UTF-16 form of a UTF-8 text.
std::int32_t java_hash(std::string_view text);
// The partition of an internal topic that a key belongs to (formats 6).
std::int32_t coordinator_partition(std::string_view key, std::int32_t partitions);

}  // namespace millrace::broker
