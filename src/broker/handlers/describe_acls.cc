// DescribeAcls (key 29): ACLs that a filter lets through. Without an authorizer there are none to
// tell: SECURITY_DISABLED.

#include "protocol/describe_acls.h"

#include "broker/acl_codes.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<Answer<DescribeAclsResponse>> answer(const DescribeAclsRequest& request, const Caller&) {
    AclCodes codes{request.resource_type_filter, request.pattern_type_filter, request.operation,
                   request.permission_type};
    if (!codes.are_known()) {
        co_return Answer<DescribeAclsResponse>{.close_reason =
                                                   "DescribeAclsRequest contains UNKNOWN elements"};
    }
    DescribeAclsResponse response;
    response.error_code = ErrorCode::security_disabled;
    response.error_message = "No Authorizer is configured on the broker";
    co_return Answer<DescribeAclsResponse>{.response = std::move(response)};
}

}  // namespace

constinit const Handler handlers::describe_acls = serve<answer>;

}  // namespace millrace::broker
