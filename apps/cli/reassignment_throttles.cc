#include "cli/reassignment_throttles.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace millrace::cli {

namespace {

using client::AlterOperation;
using client::ConfigChange;
using client::ResourceType;

constexpr std::string_view leader_rate = "leader.replication.throttled.rate";
constexpr std::string_view follower_rate = "follower.replication.throttled.rate";
constexpr std::string_view directories_rate = "replica.alter.log.dirs.io.max.bytes.per.second";
constexpr std::string_view leader_replicas = "leader.replication.throttled.replicas";
constexpr std::string_view follower_replicas = "follower.replication.throttled.replicas";

ConfigChange set(std::string_view name, std::string value) {
    return {std::string(name), AlterOperation::set, std::move(value)};
}
ConfigChange remove(std::string_view name) {
    return {std::string(name), AlterOperation::remove, std::nullopt};
}

}  // namespace

PartitionMoves moves_of(const client::Reassignments& under_way, const Assignment& proposed,
                        const Assignment& current) {
    PartitionMoves moves;
    for (const auto& [partition, reassignment] : under_way) {
        PartitionMove& move = moves[partition];
        move.destinations = {reassignment.adding.begin(), reassignment.adding.end()};
        for (std::int32_t id : reassignment.replicas) {
            if (!move.destinations.contains(id)) move.sources.insert(id);
        }
    }
    for (const auto& [partition, replicas] : proposed) {
        PartitionMove& move = moves[partition];
        if (auto at = current.find(partition); move.sources.empty() && at != current.end())
            move.sources = {at->second.begin(), at->second.end()};
        move.destinations.clear();
        for (std::int32_t id : replicas) {
            if (!move.sources.contains(id)) move.destinations.insert(id);
        }
    }
    return moves;
}

ConfigChanges throttle(const PartitionMoves& moves, std::int64_t bytes_a_second) {
    struct Replicas {
        std::set<std::string> leading;
        std::set<std::string> following;
    };
    std::map<std::string, Replicas> topics;
    std::set<std::int32_t> brokers;
    for (const auto& [partition, move] : moves) {
        Replicas& replicas = topics[partition.topic];
        auto add = [&](const std::set<std::int32_t>& ids, std::set<std::string>& to) {
            brokers.insert(ids.begin(), ids.end());
            for (std::int32_t id : ids) to.insert(fmt::format("{}:{}", partition.partition, id));
        };
        add(move.sources, replicas.leading);
        add(move.destinations, replicas.following);
    }
    ConfigChanges changes;
    for (const auto& [topic, replicas] : topics) {
        changes[{ResourceType::topic, topic}] = {
            set(leader_replicas, fmt::format("{}", fmt::join(replicas.leading, ","))),
            set(follower_replicas, fmt::format("{}", fmt::join(replicas.following, ",")))};
    }
    for (std::int32_t id : brokers) {
        changes[{ResourceType::broker, std::to_string(id)}] = {
            set(leader_rate, std::to_string(bytes_a_second)),
            set(follower_rate, std::to_string(bytes_a_second))};
    }
    return changes;
}

ConfigChanges throttle_directories(const std::set<std::int32_t>& brokers,
                                   std::int64_t bytes_a_second) {
    ConfigChanges changes;
    for (std::int32_t id : brokers) {
        changes[{ResourceType::broker, std::to_string(id)}] = {
            set(directories_rate, std::to_string(bytes_a_second))};
    }
    return changes;
}

ConfigChanges no_throttles(const std::set<std::int32_t>& brokers,
                           const std::set<std::string>& topics) {
    ConfigChanges changes;
    for (std::int32_t id : brokers) {
        changes[{ResourceType::broker, std::to_string(id)}] = {
            remove(leader_rate), remove(follower_rate), remove(directories_rate)};
    }
    for (const std::string& topic : topics) {
        changes[{ResourceType::topic, topic}] = {remove(leader_replicas),
                                                 remove(follower_replicas)};
    }
    return changes;
}

Task<Result<>> apply(client::Admin& admin, ConfigChanges changes) {
    if (changes.empty()) co_return Result<>();
    auto outcomes = co_await client::alter_configs(admin, std::move(changes));
    for (auto& [resource, outcome] : outcomes) {
        if (!outcome) co_return fail(std::move(outcome).error());
    }
    co_return Result<>();
}

}  // namespace millrace::cli
