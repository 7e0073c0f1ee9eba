// ShareGroupHeartbeat (key 76): a member of a share group (KIP-932) joins, leaves, or tells that it
// lives; it is told which partitions to read. UNSUPPORTED_VERSION where the cluster has share
// groups switched off.

#include "protocol/share_group_heartbeat.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_requests.h"

namespace millrace::broker {
namespace {

Task<ShareGroupHeartbeatResponse> answer(const ShareGroupHeartbeatRequest& request,
                                         const Caller& caller, MetadataCache& cache,
                                         Groups& groups) {
    ErrorCode refused = check_member(*cache.image(), request.group_id, request.member_id);
    if (refused != ErrorCode::none) co_return ShareGroupHeartbeatResponse{.error_code = refused};
    groups::Client client{std::string(caller.client_id()), "/" + caller.peer().address.host};
    co_return co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.share_heartbeat(request, client); },
        [](ErrorCode error) { return ShareGroupHeartbeatResponse{.error_code = error}; });
}

}  // namespace

constinit const Handler handlers::share_group_heartbeat = serve<answer>;

}  // namespace millrace::broker
