#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/groups/streams_member.h"
#include "core/groups/streams_topology.h"

namespace millrace::groups {

// A member as the assignor sees it, with what it was to have last.
struct TaskMember {
    std::string id;
    std::string process_id;
    const TaskAssignment* last = nullptr;
};

// Who has which tasks: as many each, where they were before if that may be, and standby tasks
// beside the processes that have the active ones. What Apache Kafka 4.3.1's assignor "sticky"
// decides; as there, it knows of no racks and gives out no warm-up tasks.
std::map<std::string, TaskAssignment> assign_sticky(
    const std::vector<TaskMember>& members,
    const std::map<std::string, ConfiguredTopology::Subtopology>& subtopologies,
    std::int32_t standby_replicas);

}  // namespace millrace::groups
