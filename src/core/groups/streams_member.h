#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/groups/classic_group.h"

namespace millrace::groups {

// Partitions by subtopology: each is a task.
using Tasks = std::map<std::string, std::set<std::int32_t>>;
// The same, each with the member epoch in which it was assigned.
using EpochTasks = std::map<std::string, std::map<std::int32_t, std::int32_t>>;

// What a member is to have.
struct TaskAssignment {
    Tasks active;
    Tasks standby;
    Tasks warmup;
    bool operator==(const TaskAssignment&) const = default;
    bool empty() const { return active.empty() && standby.empty() && warmup.empty(); }
};
// What a member has, or must give back.
struct AssignedTasks {
    EpochTasks active;
    Tasks standby;
    Tasks warmup;
    bool operator==(const AssignedTasks&) const = default;
    bool empty() const { return active.empty() && standby.empty() && warmup.empty(); }
};

// What a member may do next (KIP-1071). The numbers are those of its record.
enum class StreamsMemberState : std::int8_t {
    stable = 1,
    unrevoked_tasks = 2,   // the member has tasks that it must give back
    unreleased_tasks = 3,  // others still have tasks that are to be its own
    unknown = 127,         // of a later version
};

// Where a process answers queries about its state (application.server).
struct StreamsEndpoint {
    std::string host;
    std::uint16_t port = 0;
    bool operator==(const StreamsEndpoint&) const = default;
};

// A member of a streams group: one thread of one process.
struct StreamsMember {
    std::string id;
    std::optional<std::string> instance_id;
    std::optional<std::string> rack;
    Client client;
    std::int32_t rebalance_timeout_ms = -1;
    std::int32_t topology_epoch = -1;
    std::string process_id;
    std::optional<StreamsEndpoint> endpoint;
    std::map<std::string, std::string> tags;

    std::int32_t epoch = 0;
    std::int32_t previous_epoch = 0;
    StreamsMemberState state = StreamsMemberState::stable;
    AssignedTasks assigned;
    AssignedTasks pending_revocation;

    bool operator==(const StreamsMember&) const = default;
    bool is_reconciled_to(std::int32_t target_epoch) const {
        return state == StreamsMemberState::stable && epoch == target_epoch;
    }
};

}  // namespace millrace::groups
