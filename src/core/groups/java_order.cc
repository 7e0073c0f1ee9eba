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

}  // namespace millrace::groups
