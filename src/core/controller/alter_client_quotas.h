#pragma once

#include <string_view>

#include "core/controller/decision.h"
#include "protocol/alter_client_quotas.h"

namespace millrace::controller {

class State;

// Sets and removes quotas of users, client ids and addresses (KIP-546, KIP-612). An entity's
// changes are made together or not at all.
struct AlterClientQuotas {
    AlterClientQuotasRequest request;
};
Decision<AlterClientQuotasResponse> decide(const AlterClientQuotas& command, const State& state,
                                           Inputs in);

}  // namespace millrace::controller
