#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "client/cluster.h"
#include "client/consumer_offsets.h"

namespace millrace::client {

// Who commits; without a member id: somebody who assigns partitions by hand.
struct Committer {
    std::string group_id;
    std::string member_id;
    std::optional<std::string> instance_id;
    std::int32_t generation = -1;
};

// One attempt each, of the group's coordinator; the error is the worst of all partitions.
Task<Result<>> commit_offsets_once(Cluster& cluster, Committer as, PartitionOffsets offsets);
// Partitions without a committed offset are left out. With `stable`, UNSTABLE_OFFSET_COMMIT while a
// transaction that commits offsets is open. Only a member of the consumer protocol says who it is.
Task<Result<PartitionOffsets>> fetch_offsets_once(Cluster& cluster, Committer as,
                                                  Partitions partitions, bool stable);

}  // namespace millrace::client
