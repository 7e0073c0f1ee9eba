// RemoveRaftVoter (key 81): a voter of the quorum becomes an observer (KIP-853). A leader that is
// taken out itself resigns once that is committed.

#include "protocol/remove_raft_voter.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

Task<RemoveRaftVoterResponse> answer(const RemoveRaftVoterRequest& request, const Caller& caller,
                                     Controllers& controllers) {
    co_return co_await controllers.change_voters(request, caller);
}

}  // namespace

constinit const Handler handlers::remove_raft_voter = serve<answer>;

}  // namespace millrace::broker
