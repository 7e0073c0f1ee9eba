#include "client/partitioner.h"

#include "base/check.h"
#include "base/murmur2.h"
#include "base/random.h"

namespace millrace::client {

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
