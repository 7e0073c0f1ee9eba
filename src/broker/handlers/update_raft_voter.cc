// UpdateRaftVoter (key 82): a voter tells its leader where it is heard, and which levels of
// kraft.version it supports (KIP-853).

#include "protocol/update_raft_voter.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/quorum_member.h"

namespace millrace::broker {
namespace {

Task<UpdateRaftVoterResponse> answer(const UpdateRaftVoterRequest& request, const Caller& caller,
                                     QuorumMember& member) {
    auto told = co_await member.answer(request, caller);
    co_return std::move(told.response);
}

}  // namespace

constinit const Handler handlers::update_raft_voter = serve<answer>;

}  // namespace millrace::broker
