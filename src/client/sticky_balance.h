#pragma once

#include "client/assignor.h"

namespace millrace::client {

// What a member claims to have had, and as of which generation (-1: it does not say).
struct Claim {
    std::vector<TopicPartition> partitions;
    std::int32_t generation = -1;
};
using Claims = std::map<std::string, Claim>;  // by member id

// Shares the partitions evenly and moves as few as possible. Of two members that claim the same
// partition the one of the later generation had it; of the same generation neither.
Assignment balance_sticky(const PartitionCounts& counts, const Subscriptions& members,
                          const Claims& claims);

}  // namespace millrace::client
