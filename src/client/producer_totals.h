#pragma once

#include <cstdint>

namespace millrace::client {

// What a producer has done since it began.
struct ProducerTotals {
    std::uint64_t records_taken = 0;
    std::uint64_t records_acknowledged = 0;
    std::uint64_t records_failed = 0;
    std::uint64_t batches_sent = 0;  // with repeats
    std::uint64_t batches_retried = 0;
    std::uint64_t batches_split = 0;
    std::uint64_t bytes_sent = 0;  // of batches, compressed
    std::uint64_t epoch_bumps = 0;
};

}  // namespace millrace::client
