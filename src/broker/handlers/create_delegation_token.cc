// CreateDelegationToken (key 38): refused, see broker/token_requests.h.

#include "protocol/create_delegation_token.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/token_requests.h"

namespace millrace::broker {
namespace {

Task<CreateDelegationTokenResponse> answer(const CreateDelegationTokenRequest& request,
                                           const Caller& caller) {
    auto response = token_refusal<CreateDelegationTokenResponse>(caller);
    std::string_view principal = caller.peer().principal;
    std::size_t colon = principal.find(':');
    std::string type(principal.substr(0, colon));
    std::string name(principal.substr(colon + 1));
    bool for_another = request.owner_principal_name && !request.owner_principal_name->empty();
    response.principal_type = for_another ? request.owner_principal_type.value_or("") : type;
    response.principal_name = for_another ? *request.owner_principal_name : name;
    if (caller.version() >= 3) {
        response.token_requester_principal_type = std::move(type);
        response.token_requester_principal_name = std::move(name);
    }
    response.issue_timestamp_ms = response.max_timestamp_ms = -1;
    co_return response;
}

}  // namespace

constinit const Handler handlers::create_delegation_token = serve<answer>;

}  // namespace millrace::broker
