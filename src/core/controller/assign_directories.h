#pragma once

#include "core/controller/decision.h"
#include "protocol/assign_replicas_to_dirs.h"

namespace millrace::controller {

class State;

// A broker tells in which of its directories replicas lie (KIP-858).
struct AssignDirectories {
    AssignReplicasToDirsRequest request;
};
Decision<AssignReplicasToDirsResponse> decide(const AssignDirectories& command, const State& state,
                                              Inputs in);

}  // namespace millrace::controller
