#include "core/controller/new_partitions.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "core/controller/placement.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

using metadata::BrokerIds;

auto bad_assignment(std::string message) {
    return fail(ErrorCode::invalid_replica_assignment, std::move(message));
}

BrokerIds active_of(const State& state, const BrokerIds& replicas) {
    BrokerIds active;
    for (std::int32_t id : replicas) {
        if (state.is_active(id)) active.push_back(id);
    }
    return active;
}

metadata::Partition make(const State& state, const BrokerIds& replicas, BrokerIds isr) {
    metadata::Partition partition;
    partition.replicas = replicas;
    for (std::int32_t id : replicas) partition.directories.push_back(state.default_directory(id));
    partition.leader = isr[0];
    partition.isr = std::move(isr);
    return partition;
}

}  // namespace

Result<> check_assignment(const State& state, const BrokerIds& replicas,
                          std::optional<std::size_t> replication_factor) {
    if (replicas.empty())
        return bad_assignment("The manual partition assignment includes an empty replica list.");
    BrokerIds sorted = replicas;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        if (state.broker(sorted[i]) == nullptr) {
            return bad_assignment(
                fmt::format("The manual partition assignment includes broker {}, but no such "
                            "broker is registered.",
                            sorted[i]));
        }
        if (i > 0 && sorted[i] == sorted[i - 1]) {
            return bad_assignment(
                fmt::format("The manual partition assignment includes the broker "
                            "{} more than once.",
                            sorted[i]));
        }
    }
    if (replication_factor && sorted.size() != *replication_factor) {
        return bad_assignment(fmt::format(
            "The manual partition assignment includes a partition with {} replica(s), but this is "
            "not consistent with previous partitions, which have {} replica(s).",
            sorted.size(), *replication_factor));
    }
    return {};
}

Result<metadata::Partition> assign_manually(const State& state, std::int32_t index,
                                            const BrokerIds& replicas,
                                            std::optional<std::size_t> replication_factor) {
    RETURN_IF_ERROR(check_assignment(state, replicas, replication_factor));
    BrokerIds isr = active_of(state, replicas);
    if (isr.empty()) {
        return bad_assignment(fmt::format(
            "All brokers specified in the manual partition assignment for partition {} are fenced "
            "or in controlled shutdown.",
            index));
    }
    return make(state, replicas, std::move(isr));
}

Result<NewPartitions> assign_manually(const State& state, std::int32_t first,
                                      const std::vector<BrokerIds>& assignments,
                                      std::optional<std::size_t> replication_factor) {
    NewPartitions made{first, {}};
    for (const BrokerIds& replicas : assignments) {
        auto index = first + static_cast<std::int32_t>(made.partitions.size());
        ASSIGN_OR_RETURN(metadata::Partition partition,
                         assign_manually(state, index, replicas, replication_factor));
        made.partitions.push_back(std::move(partition));
    }
    return made;
}

Result<NewPartitions> assign_by_placement(const State& state, std::int32_t first,
                                          std::int32_t count, std::int32_t replication_factor,
                                          Random& random) {
    auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::invalid_replication_factor,
                    fmt::format("Unable to replicate the partition {} time(s): {}",
                                replication_factor, why));
    };
    auto placed = place(usable_brokers(state), count, replication_factor, random);
    if (!placed) return refuse(placed.error().message);
    NewPartitions made{first, {}};
    made.partitions.reserve(placed->size());
    for (const BrokerIds& replicas : *placed) {
        BrokerIds isr = active_of(state, replicas);
        if (isr.empty())
            return refuse("All brokers are currently fenced or in controlled shutdown.");
        made.partitions.push_back(make(state, replicas, std::move(isr)));
    }
    return made;
}

}  // namespace millrace::controller
