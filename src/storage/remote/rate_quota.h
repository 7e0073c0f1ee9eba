#pragma once

#include <cstdint>
#include <deque>

#include "base/time.h"

namespace millrace::storage::remote {

// Bytes a second over a sliding window of samples, as Kafka measures quotas: what has gone through
// is counted afterwards, and who comes next waits until the rate is below the bound again.
class RateQuota {
  public:
    struct Window {
        int samples = 11;
        Duration size = Duration::seconds(1);  // of a sample
    };
    RateQuota(std::int64_t bytes_per_second, Window window)
        : bytes_per_second_(bytes_per_second), window_(window) {}

    void set(std::int64_t bytes_per_second) { bytes_per_second_ = bytes_per_second; }
    void record(std::uint64_t bytes, Time now);
    // How long to wait; zero when the rate is within the bound.
    Duration throttle(Time now);

  private:
    struct Sample {
        Time start;
        std::uint64_t bytes = 0;
    };
    void forget_before(Time now);

    std::int64_t bytes_per_second_;
    Window window_;
    std::deque<Sample> samples_;
};

}  // namespace millrace::storage::remote
