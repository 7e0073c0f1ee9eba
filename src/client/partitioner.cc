#include "client/partitioner.h"

#include "base/check.h"
#include "base/random.h"

namespace millrace::client {
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

std::int32_t partition_of_key(Bytes key, std::int32_t partitions) {
    CHECK(partitions > 0);
    auto positive = static_cast<std::int32_t>(murmur2(key) & 0x7fffffffU);
    return positive % partitions;
}

std::int32_t StickyPartition::choose(std::span<const std::int32_t> available,
                                     std::int32_t partitions, Random& random) {
    CHECK(partitions > 0);
    if (partition_ >= 0 && partition_ < partitions) return partition_;
    bytes_ = 0;
    if (available.empty()) {
        partition_ =
            static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(partitions)));
    } else {
        partition_ = available[random.below(available.size())];
    }
    return partition_;
}

void StickyPartition::appended(std::size_t bytes, bool batch_is_full, std::size_t batch_size) {
    bytes_ += bytes;
    if ((bytes_ >= batch_size && batch_is_full) || bytes_ >= 2 * batch_size) forget();
}

}  // namespace millrace::client
