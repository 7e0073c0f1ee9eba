// SyncGroup (key 14): the leader hands out the assignment, members collect theirs.

#include "protocol/sync_group.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<SyncGroupResponse> answer(const SyncGroupRequest& request, const Caller& caller,
                               Groups& groups) {
    // From version 5 the member must say which protocol it means (KIP-559).
    if (caller.version() >= 5 && (!request.protocol_type || !request.protocol_name)) {
        co_return SyncGroupResponse{.error_code = ErrorCode::inconsistent_group_protocol};
    }
    co_return co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.sync(request); },
        [](ErrorCode error) {
            // A member that hears of loading here joins again, which is what it should do.
            return SyncGroupResponse{.error_code = error == ErrorCode::coordinator_load_in_progress
                                                       ? ErrorCode::rebalance_in_progress
                                                       : error};
        });
}

}  // namespace

constinit const Handler handlers::sync_group = serve<answer>;

}  // namespace millrace::broker
