#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace millrace {

// CRC-32C (Castagnoli, RFC 3720), by libisal. `crc` is the value of the bytes before, 0 at first.
std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0);

}  // namespace millrace
