// ExpireDelegationToken (key 40): refused, see broker/token_requests.h.

#include "protocol/expire_delegation_token.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/token_requests.h"

namespace millrace::broker {
namespace {

Task<ExpireDelegationTokenResponse> answer(const ExpireDelegationTokenRequest&,
                                           const Caller& caller) {
    ExpireDelegationTokenResponse response;
    response.error_code = token_refusal(caller);
    response.expiry_timestamp_ms = -1;
    co_return response;
}

}  // namespace

constinit const Handler handlers::expire_delegation_token = serve<answer>;

}  // namespace millrace::broker
