#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

struct CommittedOffset {
    std::int64_t offset = 0;
    std::int32_t leader_epoch = -1;
    std::string metadata;
};

// The committed offsets of a group: of these partitions (those without one are left out), or of all
// that have one. With `require_stable` offsets of open transactions are waited for.
Task<Result<Outcomes<TopicPartition, CommittedOffset>>> list_group_offsets(
    Admin& admin, std::string group, std::optional<std::vector<TopicPartition>> partitions,
    bool require_stable = false);

// Commits for a group that has no members.
Task<Outcomes<TopicPartition>> alter_group_offsets(
    Admin& admin, std::string group, std::map<TopicPartition, CommittedOffset> offsets);

// Of partitions that no member of the group subscribes to.
Task<Outcomes<TopicPartition>> delete_group_offsets(Admin& admin, std::string group,
                                                    std::vector<TopicPartition> partitions);

}  // namespace millrace::client
