#pragma once

#include "core/controller/decision.h"
#include "protocol/allocate_producer_ids.h"

namespace millrace::controller {

class State;

inline constexpr std::int64_t producer_id_block = 1'000;

// Gives a broker the next block of producer ids (KIP-730).
struct AllocateProducerIds {
    AllocateProducerIdsRequest request;
};
Decision<AllocateProducerIdsResponse> decide(const AllocateProducerIds& command, const State& state,
                                             Inputs in);

}  // namespace millrace::controller
