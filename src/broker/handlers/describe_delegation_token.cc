// DescribeDelegationToken (key 41): refused, see broker/token_requests.h.

#include "protocol/describe_delegation_token.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/token_requests.h"

namespace millrace::broker {
namespace {

Task<DescribeDelegationTokenResponse> answer(const DescribeDelegationTokenRequest&,
                                             const Caller& caller) {
    co_return token_refusal<DescribeDelegationTokenResponse>(caller);
}

}  // namespace

constinit const Handler handlers::describe_delegation_token = serve<answer>;

}  // namespace millrace::broker
