// WriteShareGroupState (key 85): what has changed of share partitions, from their leaders.

#include "protocol/write_share_group_state.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_state_requests.h"

namespace millrace::broker {
namespace {

Task<WriteShareGroupStateResponse> answer(const WriteShareGroupStateRequest& request, const Caller&,
                                          ShareStates& states) {
    co_return co_await answer_each<WriteShareGroupStateResponse>(
        request, states,
        [](ShareHost& host, share::ShareKey key, const auto& partition) {
            share::ShareCoordinator::Write what{
                .state_epoch = partition.state_epoch,
                .leader_epoch = partition.leader_epoch,
                .start_offset = partition.start_offset,
                .delivery_complete_count = partition.delivery_complete_count,
                .batches = {}};
            for (const auto& batch : partition.state_batches) {
                what.batches.push_back({batch.first_offset, batch.last_offset,
                                        static_cast<share::RecordState>(batch.delivery_state),
                                        batch.delivery_count});
            }
            return host.write(std::move(key), std::move(what));
        },
        refused_outcome, [](auto outcome, auto& told) { tell_outcome(std::move(outcome), told); });
}

}  // namespace

constinit const Handler handlers::write_share_group_state = serve<answer>;

}  // namespace millrace::broker
