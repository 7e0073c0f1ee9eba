#pragma once

#include "base/result.h"
#include "broker/handler.h"

namespace millrace::broker {

// Why a request about delegation tokens (KIP-48) is not carried out. Who has not shown an identity
// may not ask: delegation_token_request_not_allowed. There is no authentication by tokens yet, so
// that everybody else gets Apache's answer of a node without delegation.token.secret.key:
// delegation_token_auth_disabled. A broker that forwards has asked the first before.
inline ErrorCode token_refusal(const Caller& caller) {
    return caller.peer().principal == "User:ANONYMOUS"
               ? ErrorCode::delegation_token_request_not_allowed
               : ErrorCode::delegation_token_auth_disabled;
}

}  // namespace millrace::broker
