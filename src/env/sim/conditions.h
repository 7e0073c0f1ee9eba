#pragma once

#include <cstddef>
#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace millrace::env::sim {

// A duration drawn evenly from a range.
struct Latency {
    Duration least;
    Duration most;
    Duration draw(Random& random) const {
        return Duration::nanoseconds(random.between(least.ns(), most.ns()));
    }
};

// How the network between nodes is. May be changed at any time.
struct NetworkConditions {
    Latency latency{Duration::microseconds(50), Duration::microseconds(800)};
    std::uint64_t bytes_a_second = 1'000'000'000;
    std::size_t window = 256 << 10;  // bytes on the way and not yet read, each direction
    std::size_t largest_segment = 64 << 10;
    std::size_t backlog = 128;  // connections of a listener that wait to be accepted
    double reset = 0;           // probability, a segment
    Duration resend_after = Duration::milliseconds(200);  // across a cut; doubles each time
    Duration give_up_after = Duration::seconds(20);       // then the sender's side breaks
};

// How a node's disk is. May be changed at any time. Probabilities are of one operation.
struct DiskConditions {
    Latency read{Duration::microseconds(20), Duration::microseconds(300)};
    Latency sync{Duration::microseconds(100), Duration::milliseconds(4)};
    Latency helper{Duration::microseconds(5), Duration::microseconds(500)};  // other blocking work
    double cold = 0.05;  // a read_cached() that finds nothing
    double read_error = 0;
    double write_error = 0;
    double sync_error = 0;
    double torn_write = 0.3;  // a page of which a crash keeps a part, among those not synced
    std::uint64_t capacity = std::uint64_t{1} << 40U;
};

}  // namespace millrace::env::sim
