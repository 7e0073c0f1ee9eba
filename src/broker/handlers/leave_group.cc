// LeaveGroup (key 13): removes members from a classic group; from version 3 several at once, static
// members by their instance id too (KIP-345).

#include "protocol/leave_group.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<LeaveGroupResponse> answer(const LeaveGroupRequest& request, const Caller& caller,
                                Groups& groups) {
    co_return co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.leave(request, caller.version()); },
        [](ErrorCode error) { return LeaveGroupResponse{.error_code = error}; });
}

}  // namespace

constinit const Handler handlers::leave_group = serve<answer>;

}  // namespace millrace::broker
