// ListGroups (key 16): the groups that this node coordinates, by state and type when asked.

#include "protocol/list_groups.h"

#include <algorithm>
#include <iterator>

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<ListGroupsResponse> answer(const ListGroupsRequest& request, const Caller&, Groups& groups) {
    ListGroupsResponse response;
    co_await groups.on_all([&](GroupHost& host) -> Task<void> {
        if (host.ready() != ErrorCode::none || co_await host.settled() != ErrorCode::none) {
            response.error_code = ErrorCode::coordinator_load_in_progress;
            co_return;
        }
        std::ranges::move(host.coordinator().list(request.states_filter, request.types_filter),
                          std::back_inserter(response.groups));
    });
    if (response.error_code != ErrorCode::none) response.groups.clear();
    co_return response;
}

}  // namespace

constinit const Handler handlers::list_groups = serve<answer>;

}  // namespace millrace::broker
