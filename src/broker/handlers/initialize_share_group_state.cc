// InitializeShareGroupState (key 83): a share group begins with partitions, or is set back: the
// share coordinator forgets what it knew of them. Brokers ask for it.

#include "protocol/initialize_share_group_state.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_state_requests.h"

namespace millrace::broker {
namespace {

Task<InitializeShareGroupStateResponse> answer(const InitializeShareGroupStateRequest& request,
                                               const Caller&, ShareStates& states) {
    co_return co_await answer_each<InitializeShareGroupStateResponse>(
        request, states,
        [](ShareHost& host, share::ShareKey key, const auto& partition) {
            return host.initialize(std::move(key), partition.state_epoch, partition.start_offset);
        },
        refused_outcome, [](auto outcome, auto& told) { tell_outcome(std::move(outcome), told); });
}

}  // namespace

constinit const Handler handlers::initialize_share_group_state = serve<answer>;

}  // namespace millrace::broker
