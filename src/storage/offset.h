#pragma once

#include <cstdint>

namespace millrace::storage {

// Place of a record in its partition: counted from 0, never used twice.
using Offset = std::int64_t;

inline constexpr Offset no_offset = -1;

}  // namespace millrace::storage
