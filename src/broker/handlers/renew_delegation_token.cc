// RenewDelegationToken (key 39): refused, see broker/token_requests.h.

#include "protocol/renew_delegation_token.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/token_requests.h"

namespace millrace::broker {
namespace {

Task<RenewDelegationTokenResponse> answer(const RenewDelegationTokenRequest&,
                                          const Caller& caller) {
    co_return token_refusal<RenewDelegationTokenResponse>(caller);
}

}  // namespace

constinit const Handler handlers::renew_delegation_token = serve<answer>;

}  // namespace millrace::broker
