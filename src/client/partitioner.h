#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace millrace {
class Random;
}

namespace millrace::client {

// Where a record with this key goes, out of `partitions` > 0.
std::int32_t partition_of_key(Bytes key, std::int32_t partitions);

// Where the records of one topic go that have neither a key nor a partition: all to one partition
// until about a batch's worth is there, so that batches fill; then to another one (KIP-794 without
// its adaptive part).
class StickyPartition {
  public:
    // The present choice, made now if there is none. Partitions without a leader are passed over
    // while others have one: `available` names those with a leader, `partitions` is all of them.
    std::int32_t choose(std::span<const std::int32_t> available, std::int32_t partitions,
                        Random& random);
    // `bytes` went to the present choice. Leaves it after `batch_size` bytes when no half-full
    // batch waits there, and after twice that in any case.
    void appended(std::size_t bytes, bool batch_is_full, std::size_t batch_size);
    // The choice must be made anew: it has no leader any more, or the topic has changed.
    void forget() { partition_ = -1; }

  private:
    std::int32_t partition_ = -1;
    std::size_t bytes_ = 0;
};

}  // namespace millrace::client
