#pragma once

#include <string>
#include <utility>

#include "broker/authorized_operations.h"
#include "broker/groups.h"

namespace millrace::broker {

// Answers a request that describes groups of one kind: `describe(coordinator, id)` tells of one
// that this node coordinates. unsupported_version for each where the kind is not served.
template <typename Response, typename Request, typename Describe>
Task<Response> describe_groups(const Request& request, bool served, Groups& groups,
                               Describe describe) {
    using Told = typename Response::DescribedGroup;
    Response response;
    for (const std::string& id : request.group_ids) {
        auto refuse = [&](ErrorCode error) { return Told{.error_code = error, .group_id = id}; };
        Told told;
        if (!served) {
            told = refuse(ErrorCode::unsupported_version);
        } else if (id.empty()) {
            told = refuse(ErrorCode::invalid_group_id);
        } else {
            told = co_await groups.with(
                id,
                [&](GroupHost& host) -> Task<Told> {
                    ErrorCode error = co_await host.settled();
                    co_return error == ErrorCode::none ? describe(host.coordinator(), id)
                                                       : refuse(error);
                },
                refuse);
        }
        if (request.include_authorized_operations && told.error_code == ErrorCode::none)
            told.authorized_operations = group_operations;
        response.groups.push_back(std::move(told));
    }
    co_return response;
}

}  // namespace millrace::broker
