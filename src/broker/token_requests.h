#pragma once

#include "base/result.h"
#include "broker/handler.h"

namespace millrace::broker {

// The answer to a request about delegation tokens (KIP-48), which is not carried out. Who has not
// shown an identity may not ask: delegation_token_request_not_allowed. There is no authentication
// by tokens yet, so that everybody else gets Apache's answer of a node without
// delegation.token.secret.key: delegation_token_auth_disabled. A broker that forwards has asked the
// first before.
template <typename Response>
Response token_refusal(const Caller& caller) {
    Response response;
    response.error_code = caller.peer().principal == "User:ANONYMOUS"
                              ? ErrorCode::delegation_token_request_not_allowed
                              : ErrorCode::delegation_token_auth_disabled;
    if constexpr (requires { response.expiry_timestamp_ms; }) response.expiry_timestamp_ms = -1;
    return response;
}

}  // namespace millrace::broker
