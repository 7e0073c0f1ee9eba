// CreateAcls (key 30): makes ACLs. Without an authorizer none could be enforced: SECURITY_DISABLED.
// The active controller says whether there is one.

#include "protocol/create_acls.h"

#include <algorithm>

#include "broker/acl_changes.h"
#include "broker/acl_codes.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

using Response = CreateAclsResponse;

Response refused(const CreateAclsRequest& request, const Error& error) {
    Response response;
    for (std::size_t i = 0; i < request.creations.size(); ++i) {
        auto& result = response.results.emplace_back();
        result.error_code = error.code;
        result.error_message = error.message;
    }
    return response;
}

Task<Answer<Response>> answer(const CreateAclsRequest& request, const Caller& caller,
                              Controllers& controllers, const Node& node) {
    bool known = std::ranges::all_of(request.creations, [](const auto& each) {
        return AclCodes{each.resource_type, each.resource_pattern_type, each.operation,
                        each.permission_type}
            .are_known();
    });
    if (!known)
        co_return Answer<Response>{.close_reason = "CreatableAcls contain unknown elements"};
    co_return co_await change_acls(request, caller, controllers, node, refused);
}

}  // namespace

constinit const Handler handlers::create_acls = serve<answer>;

}  // namespace millrace::broker
