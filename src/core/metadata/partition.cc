#include "core/metadata/partition.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "protocol/partition_change_record.h"
#include "protocol/partition_record.h"

namespace millrace::metadata {
namespace {

Result<LeaderRecovery> recovery_of(std::int8_t code) {
    if (code != 0 && code != 1) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("leader recovery state {} is neither 0 nor 1", code));
    }
    return static_cast<LeaderRecovery>(code);
}

// Records before directories were known have none, or only ids that say so.
Result<std::vector<Uuid>> directories_for(std::vector<Uuid> directories, std::size_t replicas) {
    bool known = std::ranges::any_of(directories, [](const Uuid& id) { return !id.is_zero(); });
    if (!known) return std::vector<Uuid>(replicas, migrating_directory);
    if (directories.size() != replicas) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("{} directories for {} replicas", directories.size(), replicas));
    }
    return directories;
}

}  // namespace

Uuid Partition::directory_of(std::int32_t broker) const {
    for (std::size_t i = 0; i < replicas.size(); ++i) {
        if (replicas[i] == broker) return directories[i];
    }
    return lost_directory;
}

Result<Partition> Partition::from(const PartitionRecord& record) {
    Partition made;
    ASSIGN_OR_RETURN(made.recovery, recovery_of(record.leader_recovery_state));
    ASSIGN_OR_RETURN(made.directories, directories_for(record.directories, record.replicas.size()));
    made.replicas = record.replicas;
    made.isr = record.isr;
    made.removing = record.removing_replicas;
    made.adding = record.adding_replicas;
    made.elr = record.eligible_leader_replicas.value_or(BrokerIds{});
    made.last_known_elr = record.last_known_elr.value_or(BrokerIds{});
    made.leader = record.leader;
    made.leader_epoch = record.leader_epoch;
    made.epoch = record.partition_epoch;
    return made;
}

Result<Partition> Partition::changed_by(const PartitionChangeRecord& record) const {
    Partition next = *this;
    if (record.leader_recovery_state != -1) {
        ASSIGN_OR_RETURN(next.recovery, recovery_of(record.leader_recovery_state));
    }
    if (record.replicas) next.replicas = *record.replicas;
    ASSIGN_OR_RETURN(next.directories,
                     directories_for(record.directories ? *record.directories : directories,
                                     next.replicas.size()));
    if (record.isr) next.isr = *record.isr;
    if (record.removing_replicas) next.removing = *record.removing_replicas;
    if (record.adding_replicas) next.adding = *record.adding_replicas;
    if (record.eligible_leader_replicas) next.elr = *record.eligible_leader_replicas;
    if (record.last_known_elr) next.last_known_elr = *record.last_known_elr;
    if (record.leader != leader_unchanged) {
        next.leader = record.leader;
        ++next.leader_epoch;
    }
    ++next.epoch;
    return next;
}

}  // namespace millrace::metadata
