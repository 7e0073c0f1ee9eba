#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "core/quotas/counters.h"
#include "core/quotas/limits.h"
#include "core/quotas/mutation_quota.h"
#include "core/quotas/rate.h"
#include "metrics/registry.h"

namespace millrace::config {
class BrokerConfig;
}
namespace millrace::env {
class Shard;
}

namespace millrace::broker {

// quota.window.num and quota.window.size.seconds.
quotas::Window client_window(const config::BrokerConfig& config);

// How fast clients are that have quotas. Each client is counted on one shard of the node, for the
// connections of all: no lock is needed, and the rate is the one that Apache Kafka would find.
class ClientRates {
  public:
    ClientRates(env::Shard& shard, const config::BrokerConfig& config, metrics::Registry& metrics);
    ~ClientRates();

    // Counts what a client did, and says how long it is to wait.
    Duration produced(const quotas::Limit& limit, double bytes);
    // Nothing counts of a fetch that is to wait, for this or another reason: it brings nothing.
    enum class Fetch : std::uint8_t { brings_records, waits_anyway };
    Duration fetched(const quotas::Limit& limit, double bytes, Fetch fetch);
    // Of the shards' time; one sample's time is the longest wait.
    Duration worked(const quotas::Limit& limit, Duration work);

    // Shard 0's, where the controller decides.
    quotas::MutationBuckets& mutations() { return mutations_; }

  private:
    struct State;
    // A rate and its figures.
    struct Metered {
        std::unique_ptr<State> state;
        bool is_at_rest(Time now) const;
    };
    State& of(quotas::Kind kind, const quotas::Limit& limit);
    std::shared_ptr<void> show(const quotas::Counted& counted,
                               quotas::MutationBuckets::Client& client);

    env::Shard& shard_;
    quotas::Window window_;
    metrics::Registry& metrics_;
    std::array<quotas::Counters<Metered>, quotas::kinds> rates_;
    quotas::MutationBuckets mutations_;
};

}  // namespace millrace::broker
