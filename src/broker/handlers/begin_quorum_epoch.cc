// BeginQuorumEpoch (key 53): a controller has been elected, and tells a voter so (KIP-595).

#include "protocol/begin_quorum_epoch.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/quorum_member.h"

namespace millrace::broker {
namespace {

Task<Answer<BeginQuorumEpochResponse>> answer(const BeginQuorumEpochRequest& request,
                                              const Caller& caller, QuorumMember& member) {
    auto told = co_await member.answer(request, caller);
    co_return Answer<BeginQuorumEpochResponse>{.response = std::move(told.response),
                                               .keep = std::move(told.keep)};
}

}  // namespace

constinit const Handler handlers::begin_quorum_epoch = serve<answer>;

}  // namespace millrace::broker
