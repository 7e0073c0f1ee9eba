#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace millrace {

// 128 bits that name a key; collisions are as rare as chance makes them for whoever does not know
// the seed.
struct Hash128 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const Hash128&) const = default;
};

// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein 2012), keyed by a seed of 128 bits.
Hash128 siphash128(const Hash128& seed, Bytes bytes);

}  // namespace millrace
