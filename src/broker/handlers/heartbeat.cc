// Heartbeat (key 12): keeps a member of a classic group alive, and tells it to join again while the
// group rebalances. While the group is being loaded every heartbeat is well.

#include "protocol/heartbeat.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<HeartbeatResponse> answer(const HeartbeatRequest& request, const Caller&, Groups& groups) {
    co_return co_await groups.with(
        request.group_id,
        [&](GroupHost& host) -> Task<HeartbeatResponse> {
            co_return HeartbeatResponse{.error_code = host.heartbeat(request)};
        },
        [](ErrorCode error) {
            bool loading = error == ErrorCode::coordinator_load_in_progress;
            return HeartbeatResponse{.error_code = loading ? ErrorCode::none : error};
        });
}

}  // namespace

constinit const Handler handlers::heartbeat = serve<answer>;

}  // namespace millrace::broker
