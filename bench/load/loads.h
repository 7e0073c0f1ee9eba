#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "load/measure.h"
#include "stream.h"

namespace millrace::bench {

// Where a load goes, and what it is made of.
struct Target {
    std::uint16_t port = 0;
    std::string topic;
    int partitions = 1;
    std::optional<Tls> tls;
};

struct BatchShape {
    int records = 1;
    int record_bytes = 100;  // of a value; keys are null
};

struct ProduceLoad {
    BatchShape batch;
    int connections = 1;
    int in_flight = 5;  // on each connection
    int acks = -1;
    std::uint64_t warm = 0;      // requests before the measured ones
    std::uint64_t requests = 1;  // measured
    // A second over all connections, whether answers come or not; 0: the next request leaves when
    // an answer arrives. Latency counts from when a request was due.
    double rate = 0;
    bool patient = false;  // sleeps until the next one is due, for a load that is beside others
    // Latency counts from when a request left until its answer was at the socket, so that what
    // holds up the load is left out.
    bool stamped = false;
};
void produce(const Target& target, const ProduceLoad& load, Measure& measure);

// Every reader reads one partition from its beginning, and then anew; together `bytes`.
struct ConsumeLoad {
    BatchShape batch;  // what is there
    std::int64_t end_offset = 0;
    int readers = 1;  // of each partition
    std::uint64_t warm_bytes = 0;
    std::uint64_t bytes = 0;
    std::int32_t fetch_bytes = 1 << 20;
};
void consume(const Target& target, const ConsumeLoad& load, Measure& measure);

// One record a batch, each partition with a reader of its own: how long until it is read.
struct EndToEndLoad {
    int record_bytes = 100;
    int acks = -1;
    double rate = 2000;  // records a second
    std::uint64_t warm = 0;
    std::uint64_t records = 1;
    double every = 0;  // seconds after which a line is told of these, and one anew; 0: at the end
    bool patient = false;  // sleeps until the next one is due, for a load that is beside others
};
void end_to_end(const Target& target, const EndToEndLoad& load, Measure& measure);

}  // namespace millrace::bench
