#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/broker_config.h"
#include "core/raft/raft.h"

namespace millrace::quorum {

// controller.quorum.voters as raft has it; empty when it is not set.
raft::VoterSet static_voters(const config::BrokerConfig& config);

// controller.quorum.*, and where this node's controller is heard: as advertised, or, where no host
// is given, as the voters say already.
raft::Options raft_options(const config::BrokerConfig& config, const raft::ReplicaKey& self,
                           const raft::VoterSet& voters);

// A node without the role of a controller has no place in the quorum of this version. Error
// invalid_config.
Result<> check_role(const config::BrokerConfig& config);
// There are no connections to other controllers in this version: the quorum must be this node and
// nobody else. Error invalid_config, which names `directory`, the metadata log's.
Result<> check_voters(const raft::VoterSet& voters, const raft::ReplicaKey& self,
                      const std::string& directory);

}  // namespace millrace::quorum
