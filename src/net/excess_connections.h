#pragma once

#include <vector>

#include "base/task.h"
#include "env/shard.h"
#include "net/server.h"

namespace millrace::net {

// While there are more connections than there may be, closes the least recently used ones of the
// listeners that have to make room, one by one; goes on until it is cancelled. `servers` are those
// of all shards; runs on shard 0.
Task<void> close_excess_connections(env::Shard& shard, ConnectionCounts& counts,
                                    std::vector<Server*> servers);

}  // namespace millrace::net
