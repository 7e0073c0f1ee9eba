#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/uuid.h"
#include "core/groups/classic_group.h"

namespace millrace::groups {

// Partitions by topic id, in order; no topic without any.
using Assignment = std::map<Uuid, std::vector<std::int32_t>>;
// The same, each with the member epoch in which it was assigned (KIP-1251).
using EpochAssignment = std::map<Uuid, std::map<std::int32_t, std::int32_t>>;

bool contains(const Assignment& assignment, const Uuid& topic, std::int32_t partition);
bool contains(const EpochAssignment& assignment, const Uuid& topic, std::int32_t partition);

// What a member may do next (KIP-848). The numbers are those of its record.
enum class MemberState : std::int8_t {
    stable = 0,
    unrevoked_partitions = 1,   // the member has partitions that it must give back
    unreleased_partitions = 2,  // others still have partitions that are to be its own
    unknown = 127,              // of a later version
};

// Member epochs with a meaning of their own.
inline constexpr std::int32_t leave_epoch = -1;
inline constexpr std::int32_t leave_for_a_while_epoch = -2;  // a static member

// What a member of the classic protocol told when it joined.
struct ClassicMetadata {
    Duration session_timeout;
    std::vector<Protocol> protocols;  // most preferred first
    bool operator==(const ClassicMetadata&) const = default;
};

// A member of a group of the consumer protocol. Members of the classic protocol are such, too,
// while the group migrates.
struct ConsumerMember {
    std::string id;
    std::optional<std::string> instance_id;
    std::optional<std::string> rack;
    Client client;
    std::int32_t rebalance_timeout_ms = -1;
    std::set<std::string> topics;
    std::optional<std::string> regex = "";  // null only when a client or an old record says so
    std::optional<std::string> assignor;
    std::optional<ClassicMetadata> classic;

    std::int32_t epoch = 0;
    std::int32_t previous_epoch = -1;
    MemberState state = MemberState::stable;
    EpochAssignment assigned;
    EpochAssignment pending_revocation;

    bool operator==(const ConsumerMember&) const = default;
    bool has_regex() const { return regex && !regex->empty(); }
    bool is_reconciled_to(std::int32_t target_epoch) const {
        return state == MemberState::stable && epoch == target_epoch;
    }
    void advance_to(std::int32_t next) {
        previous_epoch = epoch;
        epoch = next;
    }
};

}  // namespace millrace::groups
