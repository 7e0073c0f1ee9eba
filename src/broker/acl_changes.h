#pragma once

#include <utility>

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/node.h"

namespace millrace::broker {

// The answer to a change of ACLs, which the active controller gives. Without an authorizer none
// could be enforced: SECURITY_DISABLED. `refused(request, Error)` is the answer that tells an error
// of all.
template <typename Request, typename Refused>
Task<Answer<typename Request::Response>> change_acls(const Request& request, const Caller& caller,
                                                     Controllers& controllers, const Node& node,
                                                     Refused refused) {
    using Told = Answer<typename Request::Response>;
    if (caller.peer().listener->is_controller || controllers.leader_id() == node.id) {
        co_return Told{.response = refused(request, {ErrorCode::security_disabled,
                                                     "No Authorizer is configured."})};
    }
    auto told = co_await controllers.forward(request, caller);
    co_return Told{.response = told ? *std::move(told) : refused(request, told.error())};
}

}  // namespace millrace::broker
