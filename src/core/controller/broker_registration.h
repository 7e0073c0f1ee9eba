#pragma once

#include <cstdint>

#include "core/controller/decision.h"
#include "protocol/broker_registration.h"
#include "protocol/controller_registration.h"
#include "protocol/unregister_broker.h"

namespace millrace::controller {

class State;

// A broker starts, or says anew what it supports. A new incarnation gets the next offset as its
// epoch and is fenced until its heartbeats show that it has caught up (KIP-631).
struct RegisterBroker {
    BrokerRegistrationRequest request;
    std::int16_t version = 0;  // from 3 on the previous epoch tells of a clean shutdown
};
Decision<BrokerRegistrationResponse> decide(const RegisterBroker& command, const State& state,
                                            Inputs in);

struct UnregisterBroker {
    UnregisterBrokerRequest request;
};
Decision<UnregisterBrokerResponse> decide(const UnregisterBroker& command, const State& state,
                                          Inputs in);

struct RegisterController {
    ControllerRegistrationRequest request;
};
Decision<ControllerRegistrationResponse> decide(const RegisterController& command,
                                                const State& state, Inputs in);

}  // namespace millrace::controller
