#pragma once

#include <cstdint>

#include "core/controller/decision.h"
#include "protocol/alter_partition.h"

namespace millrace::controller {

class State;

// A leader asks for another ISR (KIP-497, KIP-841).
struct AlterPartition {
    AlterPartitionRequest request;
};
Decision<AlterPartitionResponse> decide(const AlterPartition& command, const State& state,
                                        Inputs in);

}  // namespace millrace::controller
