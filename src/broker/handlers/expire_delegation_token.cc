// ExpireDelegationToken (key 40): refused, see broker/token_requests.h.

#include "protocol/expire_delegation_token.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/token_requests.h"

namespace millrace::broker {
namespace {

Task<ExpireDelegationTokenResponse> answer(const ExpireDelegationTokenRequest&,
                                           const Caller& caller) {
    co_return token_refusal<ExpireDelegationTokenResponse>(caller);
}

}  // namespace

constinit const Handler handlers::expire_delegation_token = serve<answer>;

}  // namespace millrace::broker
