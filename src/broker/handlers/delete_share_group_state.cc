// DeleteShareGroupState (key 86): the share coordinator forgets partitions of a share group.
// Brokers ask for it.

#include "protocol/delete_share_group_state.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_state_requests.h"

namespace millrace::broker {
namespace {

Task<DeleteShareGroupStateResponse> answer(const DeleteShareGroupStateRequest& request,
                                           const Caller&, ShareStates& states) {
    co_return co_await answer_each<DeleteShareGroupStateResponse>(
        request, states,
        [](ShareHost& host, share::ShareKey key, const auto&) {
            return host.remove(std::move(key));
        },
        refused_outcome, [](auto outcome, auto& told) { tell_outcome(std::move(outcome), told); });
}

}  // namespace

constinit const Handler handlers::delete_share_group_state = serve<answer>;

}  // namespace millrace::broker
