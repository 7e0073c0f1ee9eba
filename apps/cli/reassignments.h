#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::cli {

// Partitions whose replicas are being moved (ListPartitionReassignments).
struct Reassignment {
    std::vector<std::int32_t> replicas;
    std::vector<std::int32_t> adding;
    std::vector<std::int32_t> removing;
};
using Reassignments = std::map<client::TopicPartition, Reassignment>;

// Of all topics; none where the caller may not see them.
Task<Result<Reassignments>> list_reassignments(client::Admin& admin);

}  // namespace millrace::cli
