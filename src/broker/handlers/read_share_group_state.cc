// ReadShareGroupState (key 84): what is known of share partitions, for a leader that begins; those
// before it are fenced from then on.

#include "protocol/read_share_group_state.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_state_requests.h"

namespace millrace::broker {
namespace {

Task<ReadShareGroupStateResponse> answer(const ReadShareGroupStateRequest& request, const Caller&,
                                         ShareStates& states) {
    co_return co_await answer_each<ReadShareGroupStateResponse>(
        request, states,
        [](ShareHost& host, share::ShareKey key, const auto& partition) {
            return host.read(std::move(key), partition.leader_epoch);
        },
        [](ErrorCode code) {
            return share::ShareCoordinator::Read{.outcome = refused_outcome(code), .batches = {}};
        },
        [](share::ShareCoordinator::Read read, auto& told) {
            tell_outcome(std::move(read.outcome), told);
            told.state_epoch = read.state_epoch;
            told.start_offset = read.start_offset;
            for (const share::StateBatch& batch : read.batches) {
                told.state_batches.push_back(
                    {.first_offset = batch.first,
                     .last_offset = batch.last,
                     .delivery_state = static_cast<std::int8_t>(batch.state),
                     .delivery_count = batch.delivery_count});
            }
        });
}

}  // namespace

constinit const Handler handlers::read_share_group_state = serve<answer>;

}  // namespace millrace::broker
