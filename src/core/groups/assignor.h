#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/groups/consumer_group.h"

namespace millrace::groups {

// A topic as assignors see it.
struct AssignableTopic {
    Uuid id;
    std::int32_t partitions = 0;
};

struct AssignorMember {
    std::string id;
    std::optional<std::string> instance_id;
    // Those that exist of its subscription, as Java's set of their names gives them.
    std::vector<AssignableTopic> topics;
    std::size_t names = 0;                // of its subscription, also those of no topic
    const Assignment* current = nullptr;  // its target until now
};

// What an assignor decides from.
struct GroupSpec {
    std::vector<AssignorMember> members;  // at least one, in the order of the group's table
    std::size_t places = 0;               // as many as a table of them ever had to hold
    SubscriptionType type = SubscriptionType::homogeneous;
};

using Assignments = std::map<std::string, Assignment>;  // by member id

// A server-side assignor (KIP-848). They choose as Apache Kafka 4.3.1's do.
using Assignor = Assignments (*)(const GroupSpec& spec);

// Balanced over all topics, and as few moves as that allows.
Assignments assign_uniform(const GroupSpec& spec);
// Ranges of each topic in the order of the members, so that topics of one size are co-partitioned.
Assignments assign_range(const GroupSpec& spec);
// Null when there is none of that name.
Assignor find_assignor(std::string_view name);

// The part of `uniform` for members that do not all subscribe to the same.
Assignments assign_uniform_heterogeneous(const std::vector<const AssignorMember*>& members);

}  // namespace millrace::groups
