#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

// Values are the election types of ElectLeaders.
enum class ElectionType : std::int8_t { preferred = 0, unclean = 1 };

// Lets the preferred replicas lead, or any replica where none does, at the price of records
// (KIP-460). Of all partitions without `partitions`; then those that need no election are left
// out. Nothing is tried again.
Task<Result<Outcomes<TopicPartition>>> elect_leaders(
    Admin& admin, ElectionType type, const std::optional<std::vector<TopicPartition>>& partitions);

}  // namespace millrace::client
