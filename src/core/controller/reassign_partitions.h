#pragma once

#include "core/controller/decision.h"
#include "protocol/alter_partition_reassignments.h"
#include "protocol/list_partition_reassignments.h"

namespace millrace::controller {

class State;

// Partitions get other replicas, or a reassignment that is under way is called off (KIP-455,
// KIP-860). It ends by itself once the new replicas are in the ISR (PartitionChange).
struct ReassignPartitions {
    AlterPartitionReassignmentsRequest request;
};
Decision<AlterPartitionReassignmentsResponse> decide(const ReassignPartitions& command,
                                                     const State& state, Inputs in);

// Which are under way.
struct ListReassignments {
    ListPartitionReassignmentsRequest request;
};
Decision<ListPartitionReassignmentsResponse> decide(const ListReassignments& command,
                                                    const State& state, Inputs in);

}  // namespace millrace::controller
