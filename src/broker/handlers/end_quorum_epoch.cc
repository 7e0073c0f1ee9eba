// EndQuorumEpoch (key 54): the active controller resigns, and names who is to follow it (KIP-595).

#include "protocol/end_quorum_epoch.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/quorum_member.h"

namespace millrace::broker {
namespace {

Task<Answer<EndQuorumEpochResponse>> answer(const EndQuorumEpochRequest& request,
                                            const Caller& caller, QuorumMember& member) {
    auto told = co_await member.answer(request, caller);
    co_return Answer<EndQuorumEpochResponse>{.response = std::move(told.response),
                                             .keep = std::move(told.keep)};
}

}  // namespace

constinit const Handler handlers::end_quorum_epoch = serve<answer>;

}  // namespace millrace::broker
