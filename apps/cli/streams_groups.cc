#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/group_actions.h"
#include "cli/output.h"
#include "cli/streams_group_actions.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    on_off("list", "list streams groups"),
    on_off("describe", "tell offsets, members or the state of groups"),
    on_off("delete", "delete groups that have no members"),
    on_off("reset-offsets", "move the committed offsets of groups that have no members"),
    on_off("delete-offsets", "delete committed offsets"),
    value("group", "GROUP", "the group").repeated(),
    on_off("all-groups", "every streams group"),
    value("input-topic", "TOPIC[:N,…]", "the input topic, or partitions of it").repeated(),
    on_off("all-input-topics", "every source topic of the group's topology"),
    on_off("offsets", "describe offsets and how far behind they are; this is the standard"),
    on_off("members", "describe members and their tasks"),
    maybe_value("state", "STATE,…", "describe the state; with --list, show and choose by state"),
    on_off("verbose", "describe with more columns"),
    on_off("to-earliest", "reset to the oldest record"),
    on_off("to-latest", "reset to the end"),
    on_off("to-current", "reset to what is committed"),
    value("to-offset", "OFFSET", "reset to this offset").int64(),
    value("shift-by", "N", "reset by so many records forward, or back").int64(),
    value("to-datetime", "TIME", "reset to a time: 2026-01-31T13:00:00.000"),
    value("by-duration", "DURATION", "reset to so long ago: P1DT2H3M4S"),
    value("from-file", "FILE", "reset to the offsets of a file that --export made").file(),
    value("delete-internal-topic", "TOPIC", "with a reset, delete this internal topic").repeated(),
    on_off("delete-all-internal-topics", "with a reset or --delete, delete all internal topics"),
    on_off("dry-run", "show what a reset would do"),
    on_off("execute", "reset indeed"),
    on_off("export", "print a reset as comma-separated values"),
    value("timeout", "MS", "how long the cluster has for each answer").otherwise("30000").int64(),
};

Result<> check_reset(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"dry-run", "execute"}));
    RETURN_IF_ERROR(arguments.exactly_one({"to-earliest", "to-latest", "to-current", "to-offset",
                                           "shift-by", "to-datetime", "by-duration", "from-file"}));
    if (arguments.has("from-file")) return {};
    return arguments.exactly_one({"all-input-topics", "input-topic"});
}

Result<> check_internal_topics(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.only_with("delete-internal-topic", {"reset-offsets"}));
    RETURN_IF_ERROR(arguments.only_with("delete-all-internal-topics", {"reset-offsets", "delete"}));
    if (!arguments.has("reset-offsets")) return {};
    RETURN_IF_ERROR(arguments.only_with("delete-internal-topic", {"execute"}));
    return arguments.only_with("delete-all-internal-topics", {"execute"});
}

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(
        arguments.exactly_one({"list", "describe", "delete", "reset-offsets", "delete-offsets"}));
    for (std::string_view action : {"describe", "delete", "reset-offsets"}) {
        if (arguments.has(action)) RETURN_IF_ERROR(arguments.exactly_one({"group", "all-groups"}));
    }
    if (arguments.has("delete-offsets")) {
        RETURN_IF_ERROR(arguments.required({"group"}));
        RETURN_IF_ERROR(arguments.exactly_one({"input-topic", "all-input-topics"}));
        if (arguments.all("group").size() > 1)
            return misuse("--delete-offsets takes one --group at a time");
    }
    for (std::string_view scope : {"input-topic", "all-input-topics"})
        RETURN_IF_ERROR(arguments.only_with(scope, {"reset-offsets", "delete-offsets"}));
    RETURN_IF_ERROR(
        arguments.only_with("group", {"describe", "delete", "reset-offsets", "delete-offsets"}));
    for (std::string_view view : {"members", "offsets", "verbose"})
        RETURN_IF_ERROR(arguments.only_with(view, {"describe"}));
    RETURN_IF_ERROR(arguments.only_with("state", {"describe", "list"}));
    for (std::string_view how : {"dry-run", "execute", "export"})
        RETURN_IF_ERROR(arguments.only_with(how, {"reset-offsets"}));
    if (arguments.has("describe")) {
        RETURN_IF_ERROR(arguments.alone("members", {"offsets", "state"}));
        RETURN_IF_ERROR(arguments.alone("offsets", {"state"}));
        if (arguments.given("state"))
            return misuse("--state takes a value only together with --list");
    }
    RETURN_IF_ERROR(check_internal_topics(arguments));
    return arguments.has("reset-offsets") ? check_reset(arguments) : Result<>();
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(
        auto states, choices(arguments.text("state"), "state",
                             {"Empty", "NotReady", "Stable", "Assigning", "Reconciling", "Dead"}));
    ASSIGN_OR_CO_RETURN(auto groups,
                        co_await list_streams_groups(admin, std::move(states), output));
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
    output.line("{} STATE", padded("GROUP", width));
    for (const auto& group : groups) {
        output.line("{} {}", padded(group.id, width),
                    group.state.empty() ? "Unknown" : group.state);
    }
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    AdminTool tool = arguments.has("list")            ? list
                     : arguments.has("describe")      ? describe_streams_groups
                     : arguments.has("delete")        ? delete_streams_groups
                     : arguments.has("reset-offsets") ? reset_streams_offsets
                                                      : delete_streams_offsets;
    std::string timeout(arguments.text("timeout"));
    AdminRun how{.prefix = "\nError: Executing streams group command failed due to ",
                 .more = {{"default.api.timeout.ms", timeout}, {"request.timeout.ms", timeout}}};
    co_return co_await run_with_admin(shard, arguments, output, tool, std::move(how));
}

}  // namespace

const Command tools::streams_groups{
    .name = "streams-groups",
    .kafka_name = "kafka-streams-groups",
    .summary = "list, describe, reset and delete groups of Kafka Streams",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
