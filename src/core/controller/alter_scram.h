#pragma once

#include "core/controller/decision.h"
#include "protocol/alter_user_scram_credentials.h"

namespace millrace::controller {

class State;

// Sets and removes what servers know of users' passwords (KIP-554). One result a user; a user that
// the request names twice gets none of its changes.
struct AlterScramCredentials {
    AlterUserScramCredentialsRequest request;
};
Decision<AlterUserScramCredentialsResponse> decide(const AlterScramCredentials& command,
                                                   const State& state, Inputs in);

}  // namespace millrace::controller
