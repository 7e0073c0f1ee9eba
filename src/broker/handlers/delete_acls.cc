// DeleteAcls (key 31): removes the ACLs that filters let through. Without an authorizer:
// SECURITY_DISABLED. The active controller says whether there is one.

#include "protocol/delete_acls.h"

#include <algorithm>

#include "broker/acl_changes.h"
#include "broker/acl_codes.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

using Response = DeleteAclsResponse;

Response refused(const DeleteAclsRequest& request, const Error& error) {
    Response response;
    for (std::size_t i = 0; i < request.filters.size(); ++i) {
        auto& result = response.filter_results.emplace_back();
        result.error_code = error.code;
        result.error_message = error.message;
    }
    return response;
}

Task<Answer<Response>> answer(const DeleteAclsRequest& request, const Caller& caller,
                              Controllers& controllers, const Node& node) {
    bool known = std::ranges::all_of(request.filters, [](const auto& each) {
        return AclCodes{each.resource_type_filter, each.pattern_type_filter, each.operation,
                        each.permission_type}
            .are_known();
    });
    if (!known) co_return Answer<Response>{.close_reason = "Filters contain UNKNOWN elements"};
    co_return co_await change_acls(request, caller, controllers, node, refused);
}

}  // namespace

constinit const Handler handlers::delete_acls = serve<answer>;

}  // namespace millrace::broker
