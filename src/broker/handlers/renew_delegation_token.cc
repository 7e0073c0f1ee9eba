// RenewDelegationToken (key 39): refused, see broker/token_requests.h.

#include "protocol/renew_delegation_token.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/token_requests.h"

namespace millrace::broker {
namespace {

Task<RenewDelegationTokenResponse> answer(const RenewDelegationTokenRequest&,
                                          const Caller& caller) {
    RenewDelegationTokenResponse response;
    response.error_code = token_refusal(caller);
    response.expiry_timestamp_ms = -1;
    co_return response;
}

}  // namespace

constinit const Handler handlers::renew_delegation_token = serve<answer>;

}  // namespace millrace::broker
