// AddRaftVoter (key 80): makes a controller that follows the quorum one of its voters (KIP-853).
//
// Answered when a majority of the voters, the new one among them, has the change; or, where the
// request says so, once the leader has it in its log (KIP-1186).

#include "protocol/add_raft_voter.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<AddRaftVoterResponse> answer(const AddRaftVoterRequest& request, const Caller& caller,
                                  Controllers& controllers) {
    co_return co_await controllers.change_voters(request, caller);
}

}  // namespace

constinit const Handler handlers::add_raft_voter = serve<answer>;

}  // namespace millrace::broker
