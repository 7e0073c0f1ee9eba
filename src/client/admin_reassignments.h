#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

// A partition whose replicas are being moved. `replicas` has those that come and those that go.
struct Reassignment {
    std::vector<std::int32_t> replicas;
    std::vector<std::int32_t> adding;
    std::vector<std::int32_t> removing;
};
using Reassignments = std::map<TopicPartition, Reassignment>;

// Of these partitions, or of all (KIP-455).
Task<Result<Reassignments>> list_reassignments(
    Admin& admin, const std::optional<std::vector<TopicPartition>>& partitions = std::nullopt);

// A partition's replicas, the preferred leader first; none cancels what goes on.
using NewReplicas = std::map<TopicPartition, std::optional<std::vector<std::int32_t>>>;
// Begins, or cancels. Without `may_change_factor` a partition keeps its number of replicas
// (KIP-860); unsupported_version where the controller does not know of that.
Task<Result<Outcomes<TopicPartition>>> alter_reassignments(Admin& admin, NewReplicas replicas,
                                                           bool may_change_factor = true);

}  // namespace millrace::client
