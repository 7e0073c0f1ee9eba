#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/arguments.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/reassignment_actions.h"
#include "cli/reassignment_moves.h"
#include "cli/reassignment_throttles.h"
#include "client/admin_calls.h"
#include "client/admin_cluster.h"
#include "client/admin_topics.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

struct PartitionProgress {
    std::vector<std::int32_t> current;
    std::vector<std::int32_t> target;
    bool goes_on = false;

    bool is_reached() const { return !goes_on && current == target; }
    std::string sentence(const client::TopicPartition& partition) const {
        std::string name = to_string(partition);
        if (goes_on) return fmt::format("Reassignment of partition {} is still in progress.", name);
        if (is_reached()) return fmt::format("Reassignment of partition {} is completed.", name);
        return fmt::format(
            "There is no active reassignment of partition {}, but replica set is {} rather than "
            "{}.",
            name, fmt::join(current, ","), fmt::join(target, ","));
    }
};
using Progress = std::map<client::TopicPartition, PartitionProgress>;

Task<Result<Progress>> progress_of(client::Admin& admin, const Assignment& wanted,
                                   const client::Reassignments& under_way) {
    Progress progress;
    std::set<std::string> topics;
    for (const auto& [partition, target] : wanted) {
        PartitionProgress& one = progress[partition];
        one.target = target;
        auto moving = under_way.find(partition);
        one.goes_on = moving != under_way.end();
        if (one.goes_on) one.current = moving->second.replicas;
        if (!one.goes_on) topics.insert(partition.topic);
    }
    auto described = co_await client::describe_topics(
        admin, std::vector<std::string>(topics.begin(), topics.end()));
    for (auto& [topic, description] : described) {
        if (!description && client::is_about_unknown(description.error().code)) continue;
        if (!description) co_return fail(std::move(description).error());
        for (const auto& partition : description->partitions) {
            auto at = progress.find({topic, partition.index});
            if (at != progress.end() && !at->second.goes_on)
                at->second.current = partition.replicas;
        }
    }
    co_return progress;
}

// How far a replica is on its way to `target`.
std::string sentence(const Replica& replica, const std::string& target,
                     const std::map<Replica, ReplicaPlace>& places) {
    std::string name = to_string(replica.partition);
    auto at = places.find(replica);
    if (at == places.end()) {
        return fmt::format("Partition {} cannot be found in any live log directory on broker {}.",
                           name, replica.broker);
    }
    const ReplicaPlace& place = at->second;
    if (place.current.empty()) {
        return fmt::format(
            "Partition {} is not found in any live log dir on broker {}. There is likely an "
            "offline log directory on the broker.",
            name, replica.broker);
    }
    if (place.future.empty() && place.current == target) {
        return fmt::format("Reassignment of replica {} completed successfully.",
                           to_string(replica));
    }
    if (place.future.empty()) {
        return fmt::format("Partition {} on broker {} is not being moved from log dir {} to {}.",
                           name, replica.broker, place.current, target);
    }
    if (place.future == target)
        return fmt::format("Reassignment of replica {} is still in progress.", to_string(replica));
    return fmt::format("Partition {} on broker {} is being moved to log dir {} instead of {}.",
                       name, replica.broker, place.future, target);
}

bool moves(const Replica& replica, const std::map<Replica, ReplicaPlace>& places) {
    auto at = places.find(replica);
    return at != places.end() && !at->second.current.empty() && !at->second.future.empty();
}

// All that a plan, or the plans before it, may have set: which brokers had a part is not known.
Task<Result<>> clear_throttles(client::Admin& admin, const Arguments& arguments, Output& output,
                               const Assignment& plan) {
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    std::set<std::int32_t> brokers;
    std::set<std::string> topics;
    for (const client::NodeDescription& node : cluster.nodes) brokers.insert(node.id);
    for (const auto& [partition, replicas] : plan) {
        brokers.insert(replicas.begin(), replicas.end());
        topics.insert(partition.topic);
    }
    if (!arguments.as_json()) {
        output.line("Clearing broker-level throttles on broker{} {}",
                    brokers.size() == 1 ? "" : "s", fmt::join(brokers, ","));
        output.line("Clearing topic-level throttles on topic{} {}", topics.size() == 1 ? "" : "s",
                    fmt::join(topics, ","));
    }
    co_return co_await apply(admin, no_throttles(brokers, topics));
}

json::array list_of(const std::vector<std::int32_t>& ids) {
    return json::array(ids.begin(), ids.end());
}

json::value to_json(const Progress& progress, const ReassignmentPlan& plan,
                    const std::map<Replica, ReplicaPlace>& places) {
    json::array partitions;
    for (const auto& [partition, one] : progress) {
        partitions.push_back(json::object{{"topic", partition.topic},
                                          {"partition", partition.partition},
                                          {"in_progress", one.goes_on},
                                          {"completed", one.is_reached()},
                                          {"replicas", list_of(one.current)},
                                          {"target_replicas", list_of(one.target)}});
    }
    json::array moved;
    for (const auto& [replica, target] : plan.directories) {
        json::object one{{"topic", replica.partition.topic},
                         {"partition", replica.partition.partition},
                         {"broker", replica.broker},
                         {"in_progress", moves(replica, places)},
                         {"target_log_dir", target}};
        if (auto at = places.find(replica); at != places.end()) one["log_dir"] = at->second.current;
        moved.push_back(std::move(one));
    }
    return json::object{{"partitions", std::move(partitions)}, {"moves", std::move(moved)}};
}

Task<Result<ReassignmentPlan>> read_plan(client::Admin& admin, const Arguments& arguments) {
    std::string_view path = arguments.text("reassignment-json-file");
    ASSIGN_OR_CO_RETURN(std::string text, read_named_file(admin.shard(), path));
    co_return ReassignmentPlan::parse(path, text);
}

}  // namespace

Task<Result<>> verify_reassignment(client::Admin& admin, const Arguments& arguments,
                                   Output& output) {
    ASSIGN_OR_CO_RETURN(auto plan, co_await read_plan(admin, arguments));
    ASSIGN_OR_CO_RETURN(auto under_way, co_await client::list_reassignments(admin));
    ASSIGN_OR_CO_RETURN(Progress progress, co_await progress_of(admin, plan.replicas, under_way));
    ASSIGN_OR_CO_RETURN(auto places, co_await places_of(admin, plan.directories));
    bool moves_go_on = std::ranges::any_of(
        plan.directories, [&](const auto& each) { return moves(each.first, places); });
    if (arguments.as_json()) {
        output.json(to_json(progress, plan, places));
    } else {
        output.line("Status of partition reassignment:");
        for (const auto& [partition, one] : progress) output.line("{}", one.sentence(partition));
        std::vector<std::string> lines;
        for (const auto& [replica, target] : plan.directories)
            lines.push_back(sentence(replica, target, places));
        output.line("{}", fmt::join(lines, "\n"));
    }
    if (!under_way.empty() || moves_go_on || arguments.has("preserve-throttles"))
        co_return Result<>();
    co_return co_await clear_throttles(admin, arguments, output, plan.replicas);
}

Task<Result<>> cancel_reassignment(client::Admin& admin, const Arguments& arguments,
                                   Output& output) {
    ASSIGN_OR_CO_RETURN(auto plan, co_await read_plan(admin, arguments));
    std::vector<client::TopicPartition> named;
    for (const auto& [partition, replicas] : plan.replicas) named.push_back(partition);
    ASSIGN_OR_CO_RETURN(auto under_way, co_await client::list_reassignments(admin, named));
    client::NewReplicas none;
    for (const auto& [partition, reassignment] : under_way) none[partition] = std::nullopt;
    client::Outcomes<client::TopicPartition> cancelled;
    if (!none.empty()) {
        ASSIGN_OR_CO_RETURN(cancelled, co_await client::alter_reassignments(admin, none));
    }
    CO_RETURN_IF_ERROR(
        all_done(cancelled, fmt::format("Error cancelling partition reassignment{} for:",
                                        cancelled.size() == 1 ? "" : "s")));
    ASSIGN_OR_CO_RETURN(auto places, co_await places_of(admin, plan.directories));
    std::map<Replica, std::string> back;
    for (const auto& [replica, place] : places) {
        if (moves(replica, places)) back[replica] = place.current;
    }
    if (arguments.as_json()) {
        json::array names;
        for (const auto& [partition, outcome] : cancelled)
            names.push_back(
                json::object{{"topic", partition.topic}, {"partition", partition.partition}});
        output.json(json::object{{"cancelled", std::move(names)}});
    } else if (cancelled.empty()) {
        output.line("None of the specified partition reassignments are active.");
    } else {
        output.line("Successfully cancelled partition reassignment{} for: {}",
                    cancelled.size() == 1 ? "" : "s", names_of(cancelled));
    }
    // Kafka's tool ends no line there.
    if (back.empty() && !arguments.as_json())
        output.print("None of the specified partition moves are active.");
    CO_RETURN_IF_ERROR(co_await move_directories(admin, arguments, output, std::move(back)));
    if (arguments.has("preserve-throttles")) co_return Result<>();
    co_return co_await clear_throttles(admin, arguments, output, plan.replicas);
}

Task<Result<>> list_reassignments(client::Admin& admin, const Arguments& arguments,
                                  Output& output) {
    ASSIGN_OR_CO_RETURN(auto under_way, co_await client::list_reassignments(admin));
    if (arguments.as_json()) {
        json::array partitions;
        for (const auto& [partition, one] : under_way) {
            partitions.push_back(json::object{{"topic", partition.topic},
                                              {"partition", partition.partition},
                                              {"replicas", list_of(one.replicas)},
                                              {"adding_replicas", list_of(one.adding)},
                                              {"removing_replicas", list_of(one.removing)}});
        }
        output.json(json::object{{"partitions", std::move(partitions)}});
        co_return Result<>();
    }
    if (under_way.empty()) {
        output.line("No partition reassignments found.");
        co_return Result<>();
    }
    output.line("Current partition reassignments:");
    for (const auto& [partition, one] : under_way) {
        std::string text =
            fmt::format("{}: replicas: {}.", to_string(partition), fmt::join(one.replicas, ","));
        if (!one.adding.empty()) text += fmt::format(" adding: {}.", fmt::join(one.adding, ","));
        if (!one.removing.empty())
            text += fmt::format(" removing: {}.", fmt::join(one.removing, ","));
        output.line("{}", text);
    }
    co_return Result<>();
}

}  // namespace millrace::cli
