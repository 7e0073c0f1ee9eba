// DeleteGroups (key 42): deletes groups without members, and their offsets.

#include "protocol/delete_groups.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<DeleteGroupsResponse> answer(const DeleteGroupsRequest& request, const Caller&,
                                  Groups& groups) {
    DeleteGroupsResponse response;
    for (const std::string& id : request.groups_names) {
        ErrorCode error = co_await groups.with(
            id, [&](GroupHost& host) { return host.delete_group(id); },
            [](ErrorCode refused) { return refused; });
        response.results.push_back({.group_id = id, .error_code = error});
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::delete_groups = serve<answer>;

}  // namespace millrace::broker
