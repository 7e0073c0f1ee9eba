#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "core/metadata/partition.h"

namespace millrace::controller {

class State;

// A broker that new replicas may be placed on.
struct UsableBroker {
    std::int32_t id = 0;
    std::optional<std::string> rack;
    bool fenced = false;
};
// Registered, with a directory that is not cordoned, and not about to shut down.
std::vector<UsableBroker> usable_brokers(const State& state);

// Replicas for `partitions` partitions: leaders spread over the brokers, replicas of a partition
// over the racks, fenced brokers only behind the others, and no partition led by one. Starts at a
// random broker and rack. Error invalid_replication_factor.
Result<std::vector<metadata::BrokerIds>> place(const std::vector<UsableBroker>& brokers,
                                               std::int32_t partitions, std::int32_t replicas,
                                               Random& random);

}  // namespace millrace::controller
