#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"

namespace millrace {
struct PartitionRecord;
struct PartitionChangeRecord;
}  // namespace millrace

namespace millrace::metadata {

using BrokerIds = std::vector<std::int32_t>;

inline constexpr std::int32_t no_leader = -1;
// PartitionChangeRecord: the leader and its epoch stay.
inline constexpr std::int32_t leader_unchanged = -2;

// Directory ids that are no directories (KIP-858).
inline constexpr Uuid migrating_directory{0, 0};
inline constexpr Uuid unassigned_directory{0, 1};
inline constexpr Uuid lost_directory{0, 2};
// The first hundred are set aside, signed as Apache counts.
inline bool is_reserved_directory(const Uuid& id) {
    return id.high == 0 && static_cast<std::int64_t>(id.low) < 100;
}

// After an unclean election the leader tells when it has recovered (KIP-704).
enum class LeaderRecovery : std::int8_t { recovered = 0, recovering = 1 };

inline bool contains(const BrokerIds& brokers, std::int32_t id) {
    for (std::int32_t broker : brokers) {
        if (broker == id) return true;
    }
    return false;
}

// The state of one partition as the controller decided it.
struct Partition {
    BrokerIds replicas;             // the preferred leader first
    std::vector<Uuid> directories;  // one for each replica
    BrokerIds isr;
    BrokerIds removing;
    BrokerIds adding;
    BrokerIds elr;             // eligible leaders outside the ISR (KIP-966)
    BrokerIds last_known_elr;  // the last leader when none is left
    std::int32_t leader = no_leader;
    LeaderRecovery recovery = LeaderRecovery::recovered;
    std::int32_t leader_epoch = 0;
    std::int32_t epoch = 0;  // grows with every change

    bool operator==(const Partition&) const = default;

    bool has_leader() const { return leader != no_leader; }
    std::int32_t preferred_leader() const { return replicas.empty() ? no_leader : replicas[0]; }
    bool is_reassigning() const { return !removing.empty() || !adding.empty(); }
    // Where a replica lies; lost_directory for a broker that has none.
    Uuid directory_of(std::int32_t broker) const;

    // Error invalid_record for a record that contradicts itself.
    static Result<Partition> from(const PartitionRecord& record);
    Result<Partition> changed_by(const PartitionChangeRecord& record) const;
};

}  // namespace millrace::metadata
