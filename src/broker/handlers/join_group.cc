// JoinGroup (key 11): a member joins a classic group and waits for the rebalance to complete.

#include "protocol/join_group.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<JoinGroupResponse> answer(const JoinGroupRequest& request, const Caller& caller,
                               Groups& groups) {
    // The host as Kafka prints an InetAddress, which DescribeGroups shows.
    groups::Client client{std::string(caller.client_id()), "/" + caller.peer().address.host};
    JoinGroupResponse response = co_await groups.with(
        request.group_id,
        [&](GroupHost& host) { return host.join(request, caller.version(), client); },
        [&](ErrorCode error) {
            return JoinGroupResponse{
                .error_code = error, .protocol_name = "", .member_id = request.member_id};
        });
    // What is no protocol is null since it may be.
    if (caller.version() >= 7 && response.protocol_name == "") response.protocol_name.reset();
    co_return response;
}

}  // namespace

constinit const Handler handlers::join_group = serve<answer>;

}  // namespace millrace::broker
