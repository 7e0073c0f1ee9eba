#pragma once

#include <cstdint>

#include "base/time.h"
#include "core/controller/decision.h"
#include "core/metadata/image.h"
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

// Fences a broker whose process has ended, as far as can be seen: its connection ended at `since`,
// or this term of office began then, and its listeners refuse connections. Not one that was heard
// of later, nor one of which the same was said before though it lived.
struct FenceGoneBroker {
    std::int32_t broker = metadata::no_leader;
    std::int64_t epoch = -1;
    Time since;
};
struct WasFenced {
    bool fenced = false;
};
Decision<WasFenced> decide(const FenceGoneBroker& command, const State& state, Inputs in);

}  // namespace millrace::controller
