// Vote (key 52): a controller asks for this node's vote, or whether it would have it (KIP-595,
// KIP-996). A vote is on stable storage before it is told.

#include "protocol/vote.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/quorum_member.h"

namespace millrace::broker {
namespace {

Task<Answer<VoteResponse>> answer(const VoteRequest& request, const Caller& caller,
                                  QuorumMember& member) {
    auto told = co_await member.answer(request, caller);
    co_return Answer<VoteResponse>{.response = std::move(told.response),
                                   .keep = std::move(told.keep)};
}

}  // namespace

constinit const Handler handlers::vote = serve<answer>;

}  // namespace millrace::broker
