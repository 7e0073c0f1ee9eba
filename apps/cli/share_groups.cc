#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/group_actions.h"
#include "cli/group_report.h"
#include "cli/output.h"
#include "cli/reset_targets.h"
#include "cli/share_group_report.h"
#include "cli/times.h"
#include "client/admin_cluster.h"
#include "client/admin_groups.h"
#include "client/admin_offsets.h"
#include "client/admin_share_groups.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

using client::ShareGroupDescription;
using client::TopicPartition;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    on_off("list", "list share groups"),
    on_off("describe", "tell offsets, members or the state of share groups"),
    on_off("delete", "delete share groups that have no members"),
    on_off("reset-offsets", "move the start offsets of a share group that has no members"),
    on_off("delete-offsets", "delete the offsets of topics of a share group"),
    value("group", "GROUP", "the share group").repeated(),
    on_off("all-groups", "every share group"),
    value("topic", "TOPIC[:N,…]", "the topic, or for a reset partitions of it").repeated(),
    on_off("all-topics", "every topic that the group has offsets of"),
    on_off("offsets", "describe where the group reads and how far it is behind; the standard"),
    on_off("members", "describe members"),
    maybe_value("state", "STATE,…", "describe the state; with --list, show and choose by state"),
    on_off("verbose", "describe with more columns"),
    on_off("to-earliest", "reset to the oldest record"),
    on_off("to-latest", "reset to the end"),
    value("to-datetime", "TIME", "reset to a time: 2026-01-31T13:00:00.000"),
    on_off("dry-run", "show what a reset would do"),
    on_off("execute", "reset indeed"),
    value("timeout", "MS", "how long the cluster has for each answer").otherwise("30000").int64(),
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(
        arguments.exactly_one({"list", "describe", "delete", "reset-offsets", "delete-offsets"}));
    for (std::string_view view : {"members", "offsets", "verbose"}) {
        RETURN_IF_ERROR(arguments.only_with(view, {"describe"}));
    }
    RETURN_IF_ERROR(arguments.only_with("state", {"describe", "list"}));
    RETURN_IF_ERROR(arguments.only_with("topic", {"reset-offsets", "delete-offsets"}));
    RETURN_IF_ERROR(arguments.alone("group", {"all-groups", "list"}));
    for (std::string_view action : {"describe", "delete"}) {
        if (arguments.has(action)) {
            RETURN_IF_ERROR(arguments.exactly_one({"group", "all-groups"}));
        }
    }
    if (arguments.has("describe")) {
        RETURN_IF_ERROR(arguments.alone("members", {"offsets", "state"}));
        RETURN_IF_ERROR(arguments.alone("offsets", {"state"}));
        if (arguments.given("state")) {
            return misuse("--state takes a value only together with --list");
        }
    }
    if (arguments.has("delete-offsets")) {
        RETURN_IF_ERROR(arguments.required({"group", "topic"}));
    }
    if (!arguments.has("reset-offsets")) return {};
    RETURN_IF_ERROR(arguments.required({"group"}));
    RETURN_IF_ERROR(arguments.exactly_one({"dry-run", "execute"}));
    RETURN_IF_ERROR(arguments.exactly_one({"to-earliest", "to-latest", "to-datetime"}));
    return arguments.exactly_one({"all-topics", "topic"});
}

Result<std::vector<std::string>> chosen_states(const Arguments& arguments) {
    constexpr std::string_view known[] = {"Empty", "Stable", "Dead"};
    std::vector<std::string> chosen;
    for (std::string_view word : split(arguments.text("state"), ',')) {
        auto found = std::ranges::find_if(known, [&](std::string_view one) {
            return config::equal_ignoring_case(one, config::trim(word));
        });
        if (found == std::end(known)) {
            return misuse(fmt::format("--state: '{}' is none of {}", word, fmt::join(known, ", ")));
        }
        chosen.emplace_back(*found);
    }
    return chosen;
}

Task<Result<std::vector<client::GroupListing>>> list_share_groups(client::Admin& admin,
                                                                  std::vector<std::string> states,
                                                                  Output& output) {
    client::GroupFilter filter{std::move(states), {"Share"}};
    ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_groups(admin, std::move(filter)));
    for (const Error& error : listed.errors) output.error(error.message);
    co_return std::move(listed.groups);
}

Task<Result<std::vector<std::string>>> chosen_share_groups(client::Admin& admin,
                                                           const Arguments& arguments,
                                                           Output& output) {
    if (!arguments.has("all-groups")) co_return arguments.all("group");
    ASSIGN_OR_CO_RETURN(auto groups, co_await list_share_groups(admin, {}, output));
    std::vector<std::string> ids;
    for (auto& group : groups) ids.push_back(std::move(group.id));
    co_return ids;
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto states, chosen_states(arguments));
    ASSIGN_OR_CO_RETURN(auto groups, co_await list_share_groups(admin, std::move(states), output));
    if (arguments.as_json()) {
        json::array documents;
        for (const auto& group : groups)
            documents.push_back(json::object{{"group", group.id}, {"state", group.state}});
        output.json(json::object{{"groups", std::move(documents)}});
        co_return Result<>();
    }
    if (!arguments.has("state")) {
        for (const auto& group : groups) output.line("{}", group.id);
        co_return Result<>();
    }
    std::size_t width = 15;
    for (const auto& group : groups) width = std::max(width, width_of(group.id));
    output.line("{} {}", padded("GROUP", width), "STATE");
    for (const auto& group : groups) output.line("{} {}", padded(group.id, width), group.state);
    co_return Result<>();
}

// Says what is unusual about the state; whether there is a table to show.
bool say_state(const ShareGroupDescription& group, std::size_t rows, Output& output) {
    if (group.state == "Dead") {
        output.error(fmt::format("\nError: Share group '{}' does not exist.", group.id));
        return false;
    }
    if (group.state == "Empty") {
        output.error(fmt::format("\nShare group '{}' has no active members.", group.id));
    }
    return rows > 0;
}

json::object to_json(const ShareGroupDescription& group) {
    json::array members;
    for (const auto& member : group.members) {
        json::array assignment;
        for (const auto& each : member.assignment)
            assignment.push_back(
                json::object{{"topic", each.topic}, {"partition", each.partition}});
        members.push_back(json::object{{"consumer_id", member.id},
                                       {"host", member.host},
                                       {"client_id", member.client_id},
                                       {"epoch", member.epoch},
                                       {"assignment", std::move(assignment)}});
    }
    return {{"group", group.id},
            {"state", group.state},
            {"coordinator", group.coordinator},
            {"epoch", group.epoch},
            {"assignment_epoch", group.assignment_epoch},
            {"members", std::move(members)}};
}

json::array to_json(const ShareOffsets& offsets) {
    json::array documents;
    for (const auto& [partition, offset] : offsets) {
        json::object one{{"topic", partition.topic}, {"partition", partition.partition}};
        one["leader_epoch"] = nullptr;
        one["start_offset"] = nullptr;
        one["lag"] = nullptr;
        if (offset) {
            one["start_offset"] = offset->start;
            if (offset->leader_epoch >= 0) one["leader_epoch"] = offset->leader_epoch;
            if (offset->lag) one["lag"] = *offset->lag;
        }
        documents.push_back(std::move(one));
    }
    return documents;
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto ids, co_await chosen_share_groups(admin, arguments, output));
    auto groups = co_await client::describe_share_groups(admin, std::move(ids));
    bool verbose = arguments.has("verbose");
    client::ClusterDescription cluster;
    if (arguments.has("state")) {
        ASSIGN_OR_CO_RETURN(cluster, co_await client::describe_cluster(admin));
    }
    json::array documents;
    for (auto& [id, group] : groups) {
        if (!group) co_return fail(std::move(group).error());
        if (arguments.has("members")) {
            if (arguments.as_json()) {
                documents.push_back(to_json(*group));
            } else if (say_state(*group, group->members.size(), output)) {
                print_share_members(*group, verbose, output);
            }
        } else if (arguments.has("state")) {
            if (arguments.as_json()) {
                documents.push_back(to_json(*group));
                continue;
            }
            std::string address = "unknown";
            for (const auto& node : cluster.nodes) {
                if (node.id == group->coordinator)
                    address = fmt::format("{}:{}", node.address.host, node.address.port);
            }
            say_state(*group, 1, output);
            print_share_state(*group, fmt::format("{}  ({})", address, group->coordinator), verbose,
                              output);
        } else {
            ASSIGN_OR_CO_RETURN(auto offsets, co_await client::list_share_group_offsets(admin, id));
            if (arguments.as_json()) {
                json::object document = to_json(*group);
                document["offsets"] = to_json(offsets);
                documents.push_back(std::move(document));
            } else {
                print_share_offsets(id, offsets, verbose, output);
            }
        }
    }
    if (arguments.as_json()) output.json(json::object{{"groups", std::move(documents)}});
    co_return Result<>();
}

std::string quoted(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names)
        out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
    return out;
}

// Why it is not even asked for.
Result<> may_delete(const std::string& id, const std::vector<client::GroupListing>& known) {
    auto found = std::ranges::find(known, id, &client::GroupListing::id);
    if (found == known.end())
        return fail(ErrorCode::group_id_not_found,
                    fmt::format("Group '{}' is not a share group.", id));
    if (found->state == "Dead")
        return fail(ErrorCode::group_id_not_found,
                    fmt::format("Share group '{}' group state is DEAD.", id));
    if (found->state != "Empty")
        return fail(ErrorCode::non_empty_group, fmt::format("Share group '{}' is not EMPTY.", id));
    return {};
}

Task<Result<>> delete_groups(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto known, co_await list_share_groups(admin, {}, output));
    std::set<std::string> ids;
    for (const auto& id : arguments.all("group")) ids.insert(id);
    if (arguments.has("all-groups"))
        for (const auto& group : known) ids.insert(group.id);
    client::Outcomes<std::string> outcomes;
    std::vector<std::string> asked;
    for (const std::string& id : ids) {
        Result<> may = may_delete(id, known);
        if (may) {
            asked.push_back(id);
        } else {
            outcomes.insert_or_assign(id, std::move(may));
        }
    }
    outcomes.merge(co_await client::delete_groups(admin, std::move(asked)));
    std::vector<std::string> deleted;
    json::array documents;
    for (const auto& [id, outcome] : outcomes) {
        if (outcome) deleted.push_back(id);
        documents.push_back(json::object{
            {"group", id},
            {"error", outcome ? json::value(nullptr) : json::value(outcome.error().message)}});
    }
    bool all = deleted.size() == outcomes.size();
    if (arguments.as_json()) {
        output.json(json::object{{"groups", std::move(documents)}});
        if (all) co_return Result<>();
        co_return fail(
            ErrorCode::unknown_server_error,
            fmt::format("{} of the groups were not deleted.", outcomes.size() - deleted.size()));
    }
    if (all) {
        output.line("Deletion of requested share groups ({}) was successful.", quoted(deleted));
        co_return Result<>();
    }
    output.error("\nError: Deletion of some share groups failed:");
    for (const auto& [id, outcome] : outcomes) {
        if (outcome) continue;
        output.error(fmt::format("* Group '{}' could not be deleted due to: {}", id,
                                 outcome.error().message));
    }
    if (!deleted.empty()) {
        output.line("\nThese share groups were deleted successfully: {}", quoted(deleted));
    }
    co_return Result<>();
}

Task<Result<>> delete_offsets(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::string group(arguments.text("group"));
    auto topics = arguments.all("topic");
    ASSIGN_OR_CO_RETURN(auto outcomes, co_await client::delete_share_group_offsets(
                                           admin, group, std::move(topics)));
    if (arguments.as_json()) {
        json::array documents;
        for (const auto& [topic, outcome] : outcomes) {
            documents.push_back(json::object{
                {"topic", topic},
                {"error", outcome ? json::value(nullptr) : json::value(outcome.error().message)}});
        }
        output.json(json::object{{"group", group}, {"topics", std::move(documents)}});
        for (const auto& [topic, outcome] : outcomes)
            if (!outcome) co_return fail(outcome.error());
        co_return Result<>();
    }
    std::size_t width = 15;
    for (const auto& [topic, outcome] : outcomes) width = std::max(width, width_of(topic));
    output.print("\n{} STATUS", padded("TOPIC", width));
    for (const auto& [topic, outcome] : outcomes) {
        output.print("\n{} {}", padded(topic, width),
                     outcome ? "Successful" : fmt::format("Error: {}", outcome.error().message));
    }
    output.write("\n");
    co_return Result<>();
}

Task<Result<ResetOffsets>> reset_offsets_of(client::Admin& admin, const std::string& group,
                                            const Arguments& arguments, Output& output) {
    std::vector<TopicPartition> partitions;
    if (arguments.has("all-topics")) {
        ASSIGN_OR_CO_RETURN(auto offsets, co_await client::list_share_group_offsets(admin, group));
        for (const auto& [partition, offset] : offsets) partitions.push_back(partition);
    } else {
        ASSIGN_OR_CO_RETURN(partitions, co_await chosen_partitions(admin, arguments));
    }
    ResetTargets targets(admin, output);
    CO_RETURN_IF_ERROR(co_await targets.check_partitions(partitions));
    if (arguments.has("to-earliest")) {
        co_return co_await targets.listed(partitions, client::offset_at::earliest);
    }
    if (arguments.has("to-latest")) {
        co_return co_await targets.listed(partitions, client::offset_at::latest);
    }
    ASSIGN_OR_CO_RETURN(Timestamp time, parse_date_time(arguments.text("to-datetime")));
    co_return co_await targets.at_time(partitions, time);
}

Task<Result<>> reset(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::string id(arguments.text("group"));
    auto described = co_await client::describe_share_groups(admin, {id});
    auto& group = described.at(id);
    if (!group && group.error().code != ErrorCode::group_id_not_found)
        co_return fail(std::move(group).error());
    if (group && group->state != "Empty" && group->state != "Dead")
        co_return fail(ErrorCode::non_empty_group,
                       fmt::format("Share group '{}' is not empty.", id));
    ASSIGN_OR_CO_RETURN(ResetOffsets offsets,
                        co_await reset_offsets_of(admin, id, arguments, output));
    if (arguments.has("execute") && !offsets.empty()) {
        auto outcomes = co_await client::alter_share_group_offsets(admin, id, offsets);
        for (auto& [partition, outcome] : outcomes) {
            if (!outcome) co_return fail(std::move(outcome).error());
        }
    }
    std::vector<ResetRow> rows;
    for (const auto& [partition, offset] : offsets) rows.push_back({id, partition, offset});
    if (arguments.as_json()) {
        print_reset_json(rows, arguments.has("execute"), output);
    } else {
        print_reset(rows, true, output);
    }
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    AdminTool tool = arguments.has("list")            ? list
                     : arguments.has("describe")      ? describe
                     : arguments.has("delete")        ? delete_groups
                     : arguments.has("reset-offsets") ? reset
                                                      : delete_offsets;
    std::string timeout(arguments.text("timeout"));
    // Kafka's tool ends with 0 whatever the cluster said, but for a group that is not empty.
    bool strict = arguments.as_json() || arguments.has("reset-offsets");
    AdminRun how{.prefix = "\nError: Executing share group command failed due to ",
                 .more = {{"default.api.timeout.ms", timeout}, {"request.timeout.ms", timeout}},
                 .failed = strict ? 1 : 0};
    co_return co_await run_with_admin(shard, arguments, output, tool, std::move(how));
}

}  // namespace

const Command tools::share_groups{
    .name = "share-groups",
    .kafka_name = "kafka-share-groups",
    .summary = "list, describe, reset and delete share groups",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
