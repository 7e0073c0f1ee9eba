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
// is given, as the voters say already, or as this machine is called.
raft::Options raft_options(const config::BrokerConfig& config, const raft::ReplicaKey& self,
                           const raft::VoterSet& voters, const std::string& host_name);

// Whether a controller can be part of a quorum of these voters, as one of them or as an observer.
// Error invalid_config, which names `directory`, the metadata log's.
Result<> check_voters(const config::BrokerConfig& config, const raft::VoterSet& voters,
                      const raft::ReplicaKey& self, const std::string& directory);

}  // namespace millrace::quorum
