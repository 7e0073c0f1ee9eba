#include "base/murmur2.h"

namespace millrace {
namespace {

std::uint32_t load_le(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8U |
           static_cast<std::uint32_t>(at[2]) << 16U | static_cast<std::uint32_t>(at[3]) << 24U;
}

}  // namespace

std::uint32_t murmur2(Bytes key) {
    constexpr std::uint32_t seed = 0x9747b28c;
    constexpr std::uint32_t multiplier = 0x5bd1e995;
    std::uint32_t hash = seed ^ static_cast<std::uint32_t>(key.size());
    std::size_t at = 0;
    for (; key.size() - at >= 4; at += 4) {
        std::uint32_t word = load_le(key.data() + at) * multiplier;
        word = (word ^ (word >> 24U)) * multiplier;
        hash = (hash * multiplier) ^ word;
    }
    std::size_t left = key.size() - at;
    if (left > 0) {
        for (std::size_t i = 0; i < left; ++i)
            hash ^= static_cast<std::uint32_t>(key[at + i]) << (8U * i);
        hash *= multiplier;
    }
    hash = (hash ^ (hash >> 13U)) * multiplier;
    return hash ^ (hash >> 15U);
}

}  // namespace millrace
