#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "core/raft/message.h"
#include "protocol/begin_quorum_epoch.h"
#include "protocol/end_quorum_epoch.h"
#include "protocol/fetch.h"
#include "protocol/vote.h"

// The quorum's requests and answers as the wire has them: for the one partition of the metadata
// log, with the cluster's id around them (KIP-595, KIP-853).
namespace millrace::quorum {

// Requests of this node. Views point to the cluster's id.
VoteRequest to_wire(const raft::VoteRequest& request, std::string_view cluster_id);
BeginQuorumEpochRequest to_wire(const raft::BeginEpochRequest& request,
                                std::string_view cluster_id);
EndQuorumEpochRequest to_wire(const raft::EndEpochRequest& request, std::string_view cluster_id);
// `version`: in which the request will be sent; before 15 the replica is told elsewhere.
FetchRequest to_wire(const raft::FetchRequest& request, std::string_view cluster_id,
                     std::int16_t version, std::int32_t max_bytes);

// Requests of others. Error inconsistent_cluster_id, or invalid_request for one that does not name
// the metadata log and nothing else.
Result<raft::VoteRequest> from_wire(const VoteRequest& request, std::string_view cluster_id);
Result<raft::BeginEpochRequest> from_wire(const BeginQuorumEpochRequest& request,
                                          std::string_view cluster_id);
Result<raft::EndEpochRequest> from_wire(const EndQuorumEpochRequest& request,
                                        std::string_view cluster_id);
Result<raft::FetchRequest> from_wire(const FetchRequest& request, std::string_view cluster_id);

// Answers of this node. They tell where the leader is heard on `listener`, in versions that can.
// Views point into `response`.
VoteResponse to_wire(const raft::VoteResponse& response, std::string_view listener,
                     std::int16_t version);
BeginQuorumEpochResponse to_wire(const raft::BeginEpochResponse& response,
                                 std::string_view listener, std::int16_t version);
EndQuorumEpochResponse to_wire(const raft::EndEpochResponse& response, std::string_view listener,
                               std::int16_t version);
FetchResponse to_wire(const raft::FetchResponse& response, std::string_view listener,
                      std::int16_t version);

// Answers of others, which name an address of `listener`. The error of the whole answer, or
// invalid_record for one that is not about the metadata log.
Result<raft::VoteResponse> from_wire(const VoteResponse& response, std::string_view listener);
Result<raft::BeginEpochResponse> from_wire(const BeginQuorumEpochResponse& response,
                                           std::string_view listener);
Result<raft::EndEpochResponse> from_wire(const EndQuorumEpochResponse& response,
                                         std::string_view listener);
// Of records those that are whole are taken, once their checksums are right: corrupt_message.
Result<raft::FetchResponse> from_wire(const FetchResponse& response, std::string_view listener);

}  // namespace millrace::quorum
