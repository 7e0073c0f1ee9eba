#pragma once

#include "core/controller/decision.h"
#include "protocol/elect_leaders.h"

namespace millrace::controller {

class State;

// Somebody asks for the preferred leaders, or for any leader where there is none, at the price of
// records (KIP-183, KIP-460).
struct ElectLeaders {
    ElectLeadersRequest request;
};
Decision<ElectLeadersResponse> decide(const ElectLeaders& command, const State& state, Inputs in);
// The error of the whole request, told of each partition too: version 0 has no other place.
ElectLeadersResponse refuse(const ElectLeadersRequest& request, const Error& error);

// auto.leader.rebalance.enable: leaderships go back to the preferred replicas that may lead.
struct BalanceLeaders {};
// unclean.leader.election.interval.ms: a leader for those that have none and may lose records.
struct ElectUncleanLeaders {};
struct ElectedLeaders {
    bool more = false;  // than one decision may move: another one is to follow
};
Decision<ElectedLeaders> decide(const BalanceLeaders& command, const State& state, Inputs in);
Decision<ElectedLeaders> decide(const ElectUncleanLeaders& command, const State& state, Inputs in);

}  // namespace millrace::controller
