#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/uuid.h"
#include "client/admin_cluster.h"
#include "config/properties.h"

namespace millrace::cli {

// "CONTROLLER://host:9093"
std::string endpoint_text(const client::QuorumListener& listener);

// A controller as its own configuration and metadata log directory tell it.
struct Voter {
    std::int32_t id = -1;
    Uuid directory_id;
    std::vector<client::QuorumListener> listeners;
};
Result<Voter> read_voter(env::Shard& shard, const config::Properties& node);

// AddRaftVoter and RemoveRaftVoter.
Task<Result<>> add_voter(client::Admin& admin, Voter voter);
Task<Result<>> remove_voter(client::Admin& admin, std::int32_t id, Uuid directory_id);

}  // namespace millrace::cli
