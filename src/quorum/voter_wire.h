#pragma once

#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "core/raft/message.h"
#include "protocol/add_raft_voter.h"
#include "protocol/api_versions.h"
#include "protocol/remove_raft_voter.h"
#include "protocol/update_raft_voter.h"

// Changes of the quorum's voters as the wire has them (KIP-853, KIP-1186).
namespace millrace::quorum {

AddRaftVoterRequest to_wire(const raft::AddVoterRequest& request, std::string_view cluster_id,
                            Duration timeout);
RemoveRaftVoterRequest to_wire(const raft::RemoveVoterRequest& request,
                               std::string_view cluster_id);
UpdateRaftVoterRequest to_wire(const raft::UpdateVoterRequest& request,
                               std::string_view cluster_id);
// Asks for the features that a node supports.
ApiVersionsRequest versions_request();

// Requests of others. Error inconsistent_cluster_id.
Result<raft::AddVoterRequest> from_wire(const AddRaftVoterRequest& request,
                                        std::string_view cluster_id);
Result<raft::RemoveVoterRequest> from_wire(const RemoveRaftVoterRequest& request,
                                           std::string_view cluster_id);
Result<raft::UpdateVoterRequest> from_wire(const UpdateRaftVoterRequest& request,
                                           std::string_view cluster_id);

// It tells where the leader is heard on `listener`.
UpdateRaftVoterResponse to_wire(const raft::UpdateVoterResponse& response,
                                std::string_view listener, std::int16_t version);

Result<raft::VoterChangeResponse> from_wire(const AddRaftVoterResponse& response,
                                            std::string_view listener);
Result<raft::VoterChangeResponse> from_wire(const RemoveRaftVoterResponse& response,
                                            std::string_view listener);
Result<raft::UpdateVoterResponse> from_wire(const UpdateRaftVoterResponse& response,
                                            std::string_view listener);
// A node that does not name kraft.version supports its level 0 only.
Result<raft::VersionsResponse> from_wire(const ApiVersionsResponse& response,
                                         std::string_view listener);

}  // namespace millrace::quorum
