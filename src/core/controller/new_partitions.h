#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "core/metadata/partition.h"

namespace millrace::controller {

class State;

// Partitions that are to be made, the first with index `first`; each with the active ones of its
// replicas as ISR, the first of them leading.
struct NewPartitions {
    std::int32_t first = 0;
    std::vector<metadata::Partition> partitions;
};

// Whether a caller may choose these replicas: registered brokers, each once, and with
// `replication_factor` as many. Error invalid_replica_assignment.
Result<> check_assignment(const State& state, const metadata::BrokerIds& replicas,
                          std::optional<std::size_t> replication_factor = {});

// A partition on replicas that the caller chose. With `replication_factor` there must be as many.
// Error invalid_replica_assignment.
Result<metadata::Partition> assign_manually(const State& state, std::int32_t index,
                                            const metadata::BrokerIds& replicas,
                                            std::optional<std::size_t> replication_factor);
// Several, from index `first` on.
Result<NewPartitions> assign_manually(const State& state, std::int32_t first,
                                      const std::vector<metadata::BrokerIds>& assignments,
                                      std::optional<std::size_t> replication_factor);

// Error invalid_replication_factor.
Result<NewPartitions> assign_by_placement(const State& state, std::int32_t first,
                                          std::int32_t count, std::int32_t replication_factor,
                                          Random& random);

}  // namespace millrace::controller
