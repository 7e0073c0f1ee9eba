#pragma once

#include "core/controller/decision.h"
#include "protocol/broker_heartbeat.h"

namespace millrace::controller {

class State;

// A broker is alive: unfences it when it has caught up, moves its leaderships away when it wants
// to shut down, and takes partitions from directories that failed (KIP-631, KIP-858, KIP-1066).
struct BrokerHeartbeat {
    BrokerHeartbeatRequest request;
};
Decision<BrokerHeartbeatResponse> decide(const BrokerHeartbeat& command, const State& state,
                                         Inputs in);

// Fences one broker whose session ran out (broker.session.timeout.ms); no records when there is
// none. Call it again after Sessions::next_expiry().
struct FenceStaleBroker {};
Decision<Done> decide(const FenceStaleBroker& command, const State& state, Inputs in);

}  // namespace millrace::controller
