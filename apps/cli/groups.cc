#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/group_actions.h"
#include "cli/output.h"
#include "client/admin_groups.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    on_off("list", "list groups of all kinds").required(),
    value("group-type", "TYPE", "only groups of this type")
        .choices("classic consumer share streams"),
    value("protocol", "PROTOCOL", "only groups of this protocol type"),
    on_off("consumer", "only groups of consumers: of type consumer, and classic ones"),
    on_off("share", "only share groups"),
    on_off("streams", "only streams groups"),
};

bool is_shown(const client::GroupListing& group, const Arguments& arguments) {
    auto is_type = [&](std::string_view type) {
        return config::equal_ignoring_case(group.type, type);
    };
    if (auto type = arguments.given("group-type"); type && !is_type(*type)) return false;
    if (auto protocol = arguments.given("protocol")) return group.protocol_type == *protocol;
    if (arguments.has("group-type")) return true;
    if (arguments.has("consumer")) {
        return group.protocol_type == "consumer" || group.protocol_type.empty() ||
               is_type("consumer");
    }
    if (arguments.has("share")) return is_type("share");
    if (arguments.has("streams")) return is_type("streams");
    return true;
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_groups(admin));
    for (const Error& error : listed.errors) output.error(error.message);
    for (client::GroupListing& group : listed.groups) group.type = shown_type(group.type);
    std::erase_if(listed.groups,
                  [&](const client::GroupListing& group) { return !is_shown(group, arguments); });
    if (arguments.as_json()) {
        json::array groups;
        for (const auto& group : listed.groups) {
            groups.push_back(json::object{{"group", group.id},
                                          {"type", group.type},
                                          {"protocol", group.protocol_type},
                                          {"state", group.state}});
        }
        output.json(json::object{{"groups", std::move(groups)}});
        co_return Result<>();
    }
    std::size_t width = 20;
    for (const auto& group : listed.groups) {
        width = std::max(
            {width, width_of(group.id), width_of(group.type), width_of(group.protocol_type)});
    }
    output.line("{} {} {}", padded("GROUP", width), padded("TYPE", width),
                padded("PROTOCOL", width));
    for (const auto& group : listed.groups) {
        output.line("{} {} {} ", padded(group.id, width), padded(group.type, width),
                    padded(group.protocol_type, width));
    }
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    Result<> checked = arguments.alone("consumer", {"group-type", "protocol", "share", "streams"});
    if (checked) checked = arguments.alone("share", {"group-type", "protocol", "streams"});
    if (checked) checked = arguments.alone("streams", {"group-type", "protocol"});
    if (!checked) co_return output.fail(checked.error());
    AdminRun how{.prefix = "Error while executing groups command : "};
    co_return co_await run_with_admin(shard, arguments, output, list, std::move(how));
}

}  // namespace

const Command tools::groups{
    .name = "groups",
    .kafka_name = "kafka-groups",
    .summary = "list groups of all kinds",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
