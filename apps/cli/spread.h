#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace millrace::cli {

struct SpreadBroker {
    std::int32_t id = -1;
    std::optional<std::string> rack;
};

// Replicas of `partitions` partitions over brokers, all of which have a rack or none: each leads,
// and follows each other one, equally often, and the replicas of a partition lie in different racks
// as far as there are. As `kafka-reassign-partitions --generate` proposes them; where it begins is
// random. Errors: fewer brokers than replicas.
Result<std::vector<std::vector<std::int32_t>>> spread(std::vector<SpreadBroker> brokers,
                                                      std::size_t partitions, std::size_t replicas,
                                                      Random& random);

}  // namespace millrace::cli
