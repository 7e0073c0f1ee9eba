// DescribeGroups (key 15): state, members and assignments of classic groups. An unknown group is
// Dead; from version 6 it has an error as well (KIP-1043).

#include "protocol/describe_groups.h"

#include "broker/authorized_operations.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

using Told = DescribeGroupsResponse::DescribedGroup;

Task<DescribeGroupsResponse> answer(const DescribeGroupsRequest& request, const Caller& caller,
                                    Groups& groups) {
    DescribeGroupsResponse response;
    for (const std::string& id : request.groups) {
        Told told = co_await groups.with(
            id,
            [&](GroupHost& host) -> Task<Told> {
                ErrorCode error = co_await host.settled();
                if (error != ErrorCode::none) co_return Told{.error_code = error, .group_id = id};
                co_return host.coordinator().describe(id);
            },
            [&](ErrorCode error) { return Told{.error_code = error, .group_id = id}; });
        if (caller.version() < 6 && told.error_code == ErrorCode::group_id_not_found) {
            told.error_code = ErrorCode::none;
            told.error_message = std::nullopt;
        }
        if (request.include_authorized_operations && told.error_code == ErrorCode::none) {
            told.authorized_operations = group_operations;
        }
        response.groups.push_back(std::move(told));
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_groups = serve<answer>;

}  // namespace millrace::broker
