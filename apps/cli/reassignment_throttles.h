#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/reassignment_plan.h"
#include "client/admin_configs.h"
#include "client/admin_reassignments.h"

namespace millrace::cli {

class Output;

// From where to where the records of a partition go.
struct PartitionMove {
    std::set<std::int32_t> sources;
    std::set<std::int32_t> destinations;
};
using PartitionMoves = std::map<client::TopicPartition, PartitionMove>;

// Those that are under way, and those of `proposed`, which take the place of these; of a partition
// that lies on `current` until then.
PartitionMoves moves_of(const client::Reassignments& under_way, const Assignment& proposed,
                        const Assignment& current);

using ConfigChanges = std::map<client::ConfigResource, std::vector<client::ConfigChange>>;

// Throttles these moves to so many bytes a second, on each broker that has a part in one.
ConfigChanges throttle(const PartitionMoves& moves, std::int64_t bytes_a_second);
// Throttles moves between log directories.
ConfigChanges throttle_directories(const std::set<std::int32_t>& brokers,
                                   std::int64_t bytes_a_second);
// Takes away all throttles of these brokers and topics.
ConfigChanges no_throttles(const std::set<std::int32_t>& brokers,
                           const std::set<std::string>& topics);

// Error: the first of the changes that failed.
Task<Result<>> apply(client::Admin& admin, ConfigChanges changes);

}  // namespace millrace::cli
