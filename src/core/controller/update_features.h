#pragma once

#include <cstdint>

#include "core/controller/decision.h"
#include "protocol/update_features.h"

namespace millrace::controller {

class State;

// Changes finalized feature levels, all of the request or none (KIP-584, KIP-778, KIP-1022).
struct UpdateFeatures {
    UpdateFeaturesRequest request;
    std::int16_t version = 0;
};
Decision<UpdateFeaturesResponse> decide(const UpdateFeatures& command, const State& state,
                                        Inputs in);

}  // namespace millrace::controller
