#pragma once

#include <cstdint>

#include "core/controller/decision.h"
#include "core/controller/mutations.h"
#include "protocol/delete_topics.h"

namespace millrace::controller {

class State;

// Deletes topics named by name or by id. One that the caller may not delete is answered by its
// name only if that was given or may be described.
struct DeleteTopics {
    DeleteTopicsRequest request;
    std::int16_t version = 0;
    Permit may_describe;
    Permit may_delete;
    MutationQuotaPtr quota = {};
};
Decision<DeleteTopicsResponse> decide(const DeleteTopics& command, const State& state, Inputs in);

}  // namespace millrace::controller
