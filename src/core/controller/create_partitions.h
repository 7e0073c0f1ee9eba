#pragma once

#include "core/controller/decision.h"
#include "core/controller/mutations.h"
#include "protocol/create_partitions.h"

namespace millrace::controller {

class State;

// Raises the number of partitions of topics.
struct CreatePartitions {
    CreatePartitionsRequest request;
    Permit may_alter;
    MutationQuotaPtr quota = {};
};
Decision<CreatePartitionsResponse> decide(const CreatePartitions& command, const State& state,
                                          Inputs in);

}  // namespace millrace::controller
