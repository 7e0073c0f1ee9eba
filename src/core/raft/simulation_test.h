#pragma once

#include <cstdint>
#include <string>

#include "core/raft/cluster_test.h"

namespace millrace::raft {

// MILLRACE_SEED and MILLRACE_SEEDS; one seed where only the first is given.
struct Seeds {
    std::uint64_t first = 1;
    std::uint64_t count = 1;
};
Seeds seeds_wanted(std::uint64_t otherwise);

// What simulations came to.
struct Simulated {
    std::uint64_t seeds = 0;
    Duration time;             // virtual
    std::uint64_t turns = 0;   // of the seed that took most
    std::uint64_t faults = 0;  // crashes, cuts, resignations, snapshots, changes of the voters
};

// One quorum of a random shape, with random faults and changes of its voters, from one seed. What
// is wrong with the nodes is as `planted` has it. Which law was broken, or "": left in peace, it
// has come to rest.
std::string simulate(std::uint64_t seed, const ClusterShape& planted, Simulated& so_far);

}  // namespace millrace::raft
