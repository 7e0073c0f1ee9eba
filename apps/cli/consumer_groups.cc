#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/group_actions.h"
#include "cli/output.h"
#include "cli/topic_filter.h"
#include "client/admin_groups.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server(),
    command_config(),
    on_off("list", "list groups of consumers"),
    on_off("describe", "tell offsets, members or the state of groups"),
    on_off("delete", "delete groups that have no members"),
    on_off("reset-offsets", "move the committed offsets of groups that have no members"),
    on_off("delete-offsets", "delete committed offsets"),
    value("validate-regex", "REGEX", "tell whether it is a regular expression (RE2)"),
    value("group", "GROUP", "the group").repeated(),
    on_off("all-groups", "every group"),
    value("topic", "TOPIC[:N,…]", "the topic, or partitions of it").repeated(),
    on_off("all-topics", "every topic that the group has offsets for"),
    on_off("offsets", "describe offsets and how far behind they are; this is the standard"),
    on_off("members", "describe members"),
    maybe_value("state", "STATE,…", "describe the state; with --list, show and choose by state"),
    maybe_value("type", "TYPE,…", "with --list, show and choose by type: classic, consumer"),
    on_off("verbose", "describe with more columns"),
    on_off("to-earliest", "reset to the oldest record"),
    on_off("to-latest", "reset to the end"),
    on_off("to-current", "reset to what is committed"),
    value("to-offset", "OFFSET", "reset to this offset").int64(),
    value("shift-by", "N", "reset by so many records forward, or back").int64(),
    value("to-datetime", "TIME", "reset to a time: 2026-01-31T13:00:00.000"),
    value("by-duration", "DURATION", "reset to so long ago: P1DT2H3M4S"),
    value("from-file", "FILE", "reset to the offsets of a file that --export made").file(),
    on_off("dry-run", "show what a reset would do; this is the standard"),
    on_off("execute", "reset indeed"),
    on_off("export", "print a reset as comma-separated values"),
    value("timeout", "MS", "how long the cluster has for each answer").otherwise("30000").int64(),
};

Result<> check_actions(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one(
        {"list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"}));
    if (!arguments.has("validate-regex")) RETURN_IF_ERROR(arguments.required({"bootstrap-server"}));
    for (std::string_view action : {"describe", "delete", "reset-offsets"}) {
        if (arguments.has(action)) {
            RETURN_IF_ERROR(arguments.exactly_one({"group", "all-groups"}));
        }
    }
    if (arguments.has("delete-offsets")) {
        RETURN_IF_ERROR(arguments.required({"group", "topic"}));
    }
    RETURN_IF_ERROR(
        arguments.only_with("group", {"describe", "delete", "reset-offsets", "delete-offsets"}));
    return arguments.only_with("topic", {"reset-offsets", "delete-offsets"});
}

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(check_actions(arguments));
    for (std::string_view view : {"members", "offsets", "verbose"}) {
        RETURN_IF_ERROR(arguments.only_with(view, {"describe"}));
    }
    RETURN_IF_ERROR(arguments.only_with("state", {"describe", "list"}));
    RETURN_IF_ERROR(arguments.only_with("type", {"list"}));
    if (arguments.has("describe")) {
        RETURN_IF_ERROR(arguments.alone("members", {"offsets", "state"}));
        RETURN_IF_ERROR(arguments.alone("offsets", {"state"}));
        if (arguments.given("state")) {
            return misuse("--state takes a value only together with --list");
        }
    }
    if (!arguments.has("reset-offsets")) return {};
    RETURN_IF_ERROR(arguments.alone("dry-run", {"execute"}));
    RETURN_IF_ERROR(arguments.exactly_one({"to-earliest", "to-latest", "to-current", "to-offset",
                                           "shift-by", "to-datetime", "by-duration", "from-file"}));
    if (arguments.has("from-file")) return {};
    return arguments.exactly_one({"all-topics", "topic"});
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    client::GroupFilter filter;
    ASSIGN_OR_CO_RETURN(filter.states,
                        choices(arguments.text("state"), "state",
                                {"PreparingRebalance", "CompletingRebalance", "Stable", "Dead",
                                 "Empty", "Assigning", "Reconciling"}));
    ASSIGN_OR_CO_RETURN(filter.types,
                        choices(arguments.text("type"), "type", {"Classic", "Consumer"}));
    ASSIGN_OR_CO_RETURN(auto groups, co_await list_consumer_groups(admin, filter, output));
    if (arguments.as_json()) {
        json::array documents;
        for (const auto& group : groups) {
            documents.push_back(
                json::object{{"group", group.id}, {"type", group.type}, {"state", group.state}});
        }
        output.json(json::object{{"groups", std::move(documents)}});
        co_return Result<>();
    }
    bool with_type = arguments.has("type");
    bool with_state = arguments.has("state");
    if (!with_type && !with_state) {
        for (const auto& group : groups) output.line("{}", group.id);
        co_return Result<>();
    }
    std::size_t width = 15;
    for (const auto& group : groups) width = std::max(width, width_of(group.id));
    width += 10;
    auto print_row = [&](std::string_view id, std::string_view type, std::string_view state) {
        output.write(padded(id, width));
        if (with_type) output.print(" {}", padded(type, 20));
        if (with_state) output.print(" {}", padded(state, 20));
        output.write("\n");
    };
    print_row("GROUP", "TYPE", "STATE");
    for (const auto& group : groups) {
        print_row(group.id, group.type.empty() ? "Unknown" : group.type,
                  group.state.empty() ? "Unknown" : group.state);
    }
    co_return Result<>();
}

int validate_regex(const Arguments& arguments, Output& output) {
    std::string_view text = arguments.text("validate-regex");
    std::string wrong = wrong_with_regex(text);
    if (arguments.as_json()) {
        json::object document{{"valid", wrong.empty()}};
        document["error"] = wrong.empty() ? json::value(nullptr) : json::value(wrong);
        output.json(document);
    } else if (wrong.empty()) {
        output.line("The regular expression `{}` is valid.", text);
    } else {
        output.line("The regular expression `{}` is invalid: {}.", text, wrong);
    }
    return 0;
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    if (arguments.has("validate-regex")) co_return validate_regex(arguments, output);
    if (arguments.has("reset-offsets") && !arguments.has("dry-run") && !arguments.has("execute")) {
        output.error(
            "WARN: Nothing is changed without --execute; say --dry-run when that is what "
            "is wanted.");
    }
    AdminTool tool = arguments.has("list")            ? list
                     : arguments.has("describe")      ? describe_consumer_groups
                     : arguments.has("delete")        ? delete_consumer_groups
                     : arguments.has("reset-offsets") ? reset_offsets
                                                      : delete_offsets;
    std::string timeout(arguments.text("timeout"));
    // Kafka's tool ends with 0 whatever the cluster said, and scripts rely on it.
    AdminRun how{.prefix = "\nError: Executing consumer group command failed due to ",
                 .more = {{"default.api.timeout.ms", timeout}, {"request.timeout.ms", timeout}},
                 .failed = arguments.as_json() ? 1 : 0};
    co_return co_await run_with_admin(shard, arguments, output, tool, std::move(how));
}

}  // namespace

const Command tools::consumer_groups{
    .name = "consumer-groups",
    .kafka_name = "kafka-consumer-groups",
    .summary = "list, describe, reset and delete groups of consumers",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
