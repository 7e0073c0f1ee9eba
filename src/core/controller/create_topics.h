#pragma once

#include "core/controller/decision.h"
#include "core/controller/mutations.h"
#include "protocol/create_topics.h"

namespace millrace::controller {

class State;

// Creates those topics of the request that can be; the others get their own errors. The answer
// holds the effective configs of those whose configs the caller may see.
struct CreateTopics {
    CreateTopicsRequest request;
    Permit may_create;
    Permit may_describe_configs;
    MutationQuotaPtr quota = {};
};
Decision<CreateTopicsResponse> decide(const CreateTopics& command, const State& state, Inputs in);

}  // namespace millrace::controller
