// ReadShareGroupStateSummary (key 87): where share partitions start, and how many records behind it
// are done with.

#include "protocol/read_share_group_state_summary.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_state_requests.h"

namespace millrace::broker {
namespace {

Task<ReadShareGroupStateSummaryResponse> answer(const ReadShareGroupStateSummaryRequest& request,
                                                const Caller&, ShareStates& states) {
    co_return co_await answer_each<ReadShareGroupStateSummaryResponse>(
        request, states,
        [](ShareHost& host, share::ShareKey key, const auto&) {
            return host.summarize(std::move(key));
        },
        [](ErrorCode code) {
            return share::ShareCoordinator::Summary{.outcome = refused_outcome(code)};
        },
        [](share::ShareCoordinator::Summary summary, auto& told) {
            bool known = summary.outcome.error == ErrorCode::none;
            tell_outcome(std::move(summary.outcome), told);
            if (!known) return;
            told.state_epoch = summary.state_epoch;
            told.leader_epoch = summary.leader_epoch;
            told.start_offset = summary.start_offset;
            told.delivery_complete_count = summary.delivery_complete_count;
        });
}

}  // namespace

constinit const Handler handlers::read_share_group_state_summary = serve<answer>;

}  // namespace millrace::broker
