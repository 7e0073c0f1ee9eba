#pragma once

#include <atomic>
#include <cstdint>
#include <deque>

#include "base/time.h"

namespace millrace::config {
class BrokerConfig;
}

namespace millrace::broker {

// Bytes of throttled replicas on all shards of this node, to be held against a rate (KIP-73). As
// Apache Kafka counts: those of the last windows, over the time since the first of these began, or
// over one window where that is less.
class ReplicationQuota {
  public:
    ReplicationQuota(int windows, Duration window);

    // From any shard. Of what two of them record as a window begins, one part may be left out.
    void record(std::uint64_t bytes, Time now);
    double rate(Time now) const;  // bytes a second
    bool is_exceeded(std::int64_t bytes_a_second, Time now) const {
        return rate(now) > static_cast<double>(bytes_a_second);
    }

  private:
    struct Sample {
        std::atomic<std::int64_t> window = -1;  // its number since the clock's beginning
        std::atomic<std::uint64_t> bytes = 0;
    };
    Duration window_;
    std::deque<Sample> samples_;  // never moved
};

// Of what leaders send to throttled followers, and of what these fetch.
struct ReplicationQuotas {
    explicit ReplicationQuotas(const config::BrokerConfig& config);
    ReplicationQuota leader;
    ReplicationQuota follower;
};

}  // namespace millrace::broker
