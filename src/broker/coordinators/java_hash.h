#pragma once

#include <cstdint>
#include <string_view>

#include "base/java_hash.h"

namespace millrace::broker {

// The partition of an internal topic that a key belongs to (formats 6).
std::int32_t coordinator_partition(std::string_view key, std::int32_t partitions);

}  // namespace millrace::broker
