#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/arguments.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/reassignment_actions.h"
#include "cli/reassignment_moves.h"
#include "cli/reassignment_throttles.h"
#include "cli/spread.h"
#include "client/admin_calls.h"
#include "client/admin_cluster.h"
#include "client/admin_topics.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

Task<Result<Assignment>> assignment_of(client::Admin& admin, std::set<std::string> topics) {
    auto described = co_await client::describe_topics(
        admin, std::vector<std::string>(topics.begin(), topics.end()));
    Assignment assignment;
    for (auto& [topic, description] : described) {
        if (!description && client::is_about_unknown(description.error().code)) {
            co_return fail(description.error().code, fmt::format("Topic {} not found.", topic));
        }
        if (!description) co_return fail(std::move(description).error());
        for (const auto& partition : description->partitions)
            assignment[{topic, partition.index}] = partition.replicas;
    }
    co_return assignment;
}

// --- Proposing ------------------------------------------------------------------------------

Result<std::set<std::int32_t>> brokers_named(const Arguments& arguments) {
    std::set<std::int32_t> named;
    std::set<std::int32_t> twice;
    for (std::string_view word : split(arguments.text("broker-list"), ',')) {
        auto id = parse_int32(word);
        if (!id) return misuse(fmt::format("--broker-list: '{}' is no broker's id", word));
        if (!named.insert(*id).second) twice.insert(*id);
    }
    if (twice.empty()) return named;
    return misuse(
        fmt::format("Broker list contains duplicate entries: [{}]", fmt::join(twice, ", ")));
}

Task<Result<std::vector<SpreadBroker>>> usable_brokers(client::Admin& admin,
                                                       const Arguments& arguments) {
    ASSIGN_OR_CO_RETURN(auto named, brokers_named(arguments));
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    bool rack_aware = !arguments.has("disable-rack-aware");
    std::vector<SpreadBroker> brokers;
    std::size_t without = 0;
    for (const client::NodeDescription& node : cluster.nodes) {
        if (!named.contains(node.id)) continue;
        brokers.push_back({node.id, rack_aware ? node.rack : std::nullopt});
        if (!brokers.back().rack) ++without;
    }
    if (without == 0 || without == brokers.size()) co_return brokers;
    co_return misuse(
        "Not all brokers have rack information. Add --disable-rack-aware in command line to make "
        "replica assignment without rack information.");
}

Result<Assignment> propose(const Assignment& current, const std::vector<SpreadBroker>& brokers,
                           Random& random) {
    std::map<std::string, std::vector<client::TopicPartition>> topics;
    for (const auto& [partition, replicas] : current) topics[partition.topic].push_back(partition);
    Assignment proposed;
    for (const auto& [topic, partitions] : topics) {
        std::size_t replicas = current.at(partitions.front()).size();
        ASSIGN_OR_RETURN(auto assigned, spread(brokers, partitions.size(), replicas, random));
        for (std::size_t i = 0; i < assigned.size(); ++i)
            proposed[{topic, static_cast<std::int32_t>(i)}] = std::move(assigned[i]);
    }
    return proposed;
}

// --- Executing ------------------------------------------------------------------------------

Task<Result<Assignment>> current_of(client::Admin& admin, const ReassignmentPlan& plan) {
    std::set<std::string> topics;
    std::set<std::int32_t> brokers;
    for (const auto& [partition, replicas] : plan.replicas) {
        topics.insert(partition.topic);
        brokers.insert(replicas.begin(), replicas.end());
    }
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    for (const client::NodeDescription& node : cluster.nodes) brokers.erase(node.id);
    if (!brokers.empty()) co_return misuse(fmt::format("Unknown broker id {}", *brokers.begin()));
    ASSIGN_OR_CO_RETURN(Assignment all, co_await assignment_of(admin, topics));
    std::vector<std::string> missing;
    Assignment current;
    for (const auto& [partition, replicas] : plan.replicas) {
        auto at = all.find(partition);
        if (at == all.end()) {
            missing.push_back(to_string(partition));
        } else {
            current.insert(*at);
        }
    }
    if (missing.empty()) co_return current;
    co_return misuse(fmt::format("Unable to find partition: {}", fmt::join(missing, ", ")));
}

Task<Result<>> set_throttles(client::Admin& admin, const Arguments& arguments, Output& output,
                             const ReassignmentPlan& plan, const PartitionMoves& moves) {
    std::int64_t rate = *arguments.number("throttle");
    std::int64_t directories_rate = *arguments.number("replica-alter-log-dirs-throttle");
    bool tells = !arguments.as_json();
    if (tells && (rate >= 0 || directories_rate >= 0)) {
        output.line(
            "Warning: You must run --verify periodically, until the reassignment completes, to "
            "ensure the throttle is removed.");
    }
    if (rate >= 0) {
        CO_RETURN_IF_ERROR(co_await apply(admin, throttle(moves, rate)));
        if (tells) output.line("The inter-broker throttle limit was set to {} B/s", rate);
    }
    if (directories_rate >= 0) {
        std::set<std::int32_t> brokers;
        for (const auto& [replica, path] : plan.directories) brokers.insert(replica.broker);
        CO_RETURN_IF_ERROR(co_await apply(admin, throttle_directories(brokers, directories_rate)));
        if (tells) {
            output.line("The replica-alter-dir throttle limit was set to {} B/s", directories_rate);
        }
    }
    co_return Result<>();
}

Task<Result<>> start(client::Admin& admin, const Arguments& arguments, Output& output,
                     const ReassignmentPlan& plan) {
    client::NewReplicas replicas;
    for (const auto& [partition, wanted] : plan.replicas) replicas[partition] = wanted;
    ASSIGN_OR_CO_RETURN(auto outcomes, co_await client::alter_reassignments(
                                           admin, std::move(replicas),
                                           !arguments.has("disallow-replication-factor-change")));
    CO_RETURN_IF_ERROR(all_done(outcomes, "Error reassigning partition(s):"));
    if (arguments.as_json()) co_return Result<>();
    output.line("Successfully started partition reassignment{} for {}",
                plan.replicas.size() == 1 ? "" : "s", names_of(outcomes));
    co_return Result<>();
}

}  // namespace

Task<Result<>> generate_reassignment(client::Admin& admin, const Arguments& arguments,
                                     Output& output) {
    std::string_view path = arguments.text("topics-to-move-json-file");
    ASSIGN_OR_CO_RETURN(std::string text, read_named_file(admin.shard(), path));
    ASSIGN_OR_CO_RETURN(auto topics, parse_topics_to_move(path, text));
    ASSIGN_OR_CO_RETURN(Assignment current,
                        co_await assignment_of(admin, {topics.begin(), topics.end()}));
    ASSIGN_OR_CO_RETURN(auto brokers, co_await usable_brokers(admin, arguments));
    ASSIGN_OR_CO_RETURN(Assignment proposed, propose(current, brokers, admin.shard().random()));
    if (arguments.as_json()) {
        output.json(json::object{{"current", plan_document(current)},
                                 {"proposed", plan_document(proposed)}});
        co_return Result<>();
    }
    output.line("Current partition replica assignment\n{}\n",
                json::serialize(plan_document(current)));
    output.line("Proposed partition reassignment configuration\n{}",
                json::serialize(plan_document(proposed)));
    co_return Result<>();
}

Task<Result<>> execute_reassignment(client::Admin& admin, const Arguments& arguments,
                                    Output& output) {
    std::string_view path = arguments.text("reassignment-json-file");
    ASSIGN_OR_CO_RETURN(std::string text, read_named_file(admin.shard(), path));
    ASSIGN_OR_CO_RETURN(auto plan, ReassignmentPlan::parse(path, text));
    CO_RETURN_IF_ERROR(plan.check_executable());
    ASSIGN_OR_CO_RETURN(auto under_way, co_await client::list_reassignments(admin));
    if (!under_way.empty() && !arguments.has("additional")) {
        co_return misuse(
            "Cannot execute because there is an existing partition assignment.  Use --additional "
            "to override this and create a new partition assignment in addition to the existing "
            "one. The --additional flag can also be used to change the throttle by resubmitting "
            "the current reassignment.");
    }
    ASSIGN_OR_CO_RETURN(Assignment current, co_await current_of(admin, plan));
    if (!arguments.as_json()) {
        output.line(
            "Current partition replica assignment\n\n{}\n\nSave this to use as the "
            "--reassignment-json-file option during rollback",
            json::serialize(plan_document(current)));
    }
    PartitionMoves moves = moves_of(under_way, plan.replicas, current);
    CO_RETURN_IF_ERROR(co_await set_throttles(admin, arguments, output, plan, moves));
    CO_RETURN_IF_ERROR(co_await start(admin, arguments, output, plan));
    CO_RETURN_IF_ERROR(co_await move_directories(admin, arguments, output, plan.directories));
    if (arguments.as_json()) {
        output.json(json::object{{"before", plan_document(current)},
                                 {"started", plan_document(plan.replicas)}});
    }
    co_return Result<>();
}

}  // namespace millrace::cli
