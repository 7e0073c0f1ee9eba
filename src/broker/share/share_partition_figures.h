#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "broker/share/fetch_line.h"
#include "core/share/share_types.h"
#include "metrics/registry.h"

namespace millrace::broker {

// The figures of one partition as a share group reads it, under Kafka's names:
// SharePartitionMetrics. They go when this does.
class SharePartitionFigures {
  public:
    SharePartitionFigures(metrics::Registry& registry, metrics::Labels labels);
    SharePartitionFigures(const SharePartitionFigures&) = delete;
    ~SharePartitionFigures();

    void read_in_flight(std::function<double()> records, std::function<double()> batches);
    // A fetch has the partition to itself, as Kafka's has while it holds the lock. Told again while
    // it does, and of others meanwhile, it changes nothing.
    void turn_begins(const FetchTicket& fetch, Time now);
    void turn_ends(const FetchTicket& fetch, Time now);
    void given_out(const std::vector<share::AcquiredRecords>& acquired);
    void timed_out(std::uint64_t records);

  private:
    metrics::Registry& registry_;
    metrics::Labels labels_;
    metrics::Histogram& turn_ms_;
    metrics::Histogram& turn_ratio_;
    metrics::Histogram& batch_records_;
    metrics::Meter& timeouts_;
    std::vector<metrics::Registry::Reading> readings_;
    std::optional<FetchTicket> turn_of_;
    Time turn_began_;
    Duration idle_;  // before it
    std::optional<Time> last_turn_ended_;
};

}  // namespace millrace::broker
