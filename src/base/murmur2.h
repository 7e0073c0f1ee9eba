#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace millrace {

// The 32-bit hash that Kafka spreads keys over partitions with: all programs must agree on it.
std::uint32_t murmur2(Bytes key);

}  // namespace millrace
