// FetchSnapshot (key 59): a piece of a snapshot of the metadata log, for a replica that lags behind
// the log's start (KIP-630). The bytes stay in the file until the connection sends them.

#include "protocol/fetch_snapshot.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/quorum_member.h"

namespace millrace::broker {
namespace {

Task<Answer<FetchSnapshotResponse>> answer(const FetchSnapshotRequest& request,
                                           const Caller& caller, QuorumMember& member) {
    auto told = co_await member.answer(request, caller);
    co_return Answer<FetchSnapshotResponse>{.response = std::move(told.response),
                                            .keep = std::move(told.keep)};
}

}  // namespace

constinit const Handler handlers::fetch_snapshot = serve<answer>;

}  // namespace millrace::broker
