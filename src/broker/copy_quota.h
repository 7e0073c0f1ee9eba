#pragma once

#include <cstdint>
#include <deque>

#include "base/time.h"

namespace millrace::broker {

// How fast replicas are copied between log directories, over all that are (as Kafka's replication
// quotas count: bytes in the last `windows` windows against their time).
class CopyQuota {
  public:
    CopyQuota(int windows, Duration window) : windows_(windows), window_(window) {}

    void record(std::uint64_t bytes, Time now) {
        forget(now);
        if (samples_.empty() || now - samples_.back().began >= window_) samples_.push_back({now});
        samples_.back().bytes += bytes;
    }
    // How long to wait until the rate is not above `bytes_a_second`; zero: no need to.
    Duration wait(std::int64_t bytes_a_second, Time now);

  private:
    struct Sample {
        Time began;
        std::uint64_t bytes = 0;
    };
    void forget(Time now) {
        while (!samples_.empty() && now - samples_.front().began >= window_ * windows_) {
            samples_.pop_front();
        }
    }

    int windows_;
    Duration window_;
    std::deque<Sample> samples_;
};

}  // namespace millrace::broker
