#include "core/groups/java_order.h"

#include <bit>

namespace millrace::groups {
namespace {

constexpr std::size_t least_buckets = 16;

}  // namespace

std::size_t grown_table(std::size_t entries) {
    std::size_t buckets = least_buckets;
    while (entries > buckets * 3 / 4) buckets *= 2;
    return buckets;
}

std::size_t copied_table(std::size_t entries) {
    return std::bit_ceil(std::max(entries * 4 / 3 + 1, least_buckets));
}

std::size_t timeline_slot(std::uint32_t hash, std::size_t entries) {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15U;  // Knuth's Fibonacci hashing
    std::size_t slots = 2;
    while (entries * 3 > slots * 4) slots *= 2;
    auto extended = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(hash)});
    return (extended * multiplier) >> (64 - std::countr_zero(slots));
}

}  // namespace millrace::groups
