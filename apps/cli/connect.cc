#include "cli/connect.h"

#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/output.h"
#include "client/admin.h"
#include "client/client_config.h"
#include "env/disk.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

// A flag that not every tool declares.
std::optional<std::string_view> given_if_declared(const Arguments& arguments,
                                                  std::string_view flag) {
    for (const Arguments::Given& one : arguments.in_order()) {
        if (one.flag->name == flag) return one.value;
    }
    return std::nullopt;
}

Result<client::AdminConfig> admin_config(env::Shard& shard, const Arguments& arguments,
                                         std::vector<config::Property> more) {
    config::Properties properties;
    if (auto file = given_if_declared(arguments, "command-config")) {
        ASSIGN_OR_RETURN(properties, client::read_properties(shard, *file));
    }
    for (config::Property& one : more) properties.set(std::move(one.key), std::move(one.value));
    std::vector<config::Property> all = properties.all();
    auto brokers = given_if_declared(arguments, "bootstrap-server");
    auto controllers = given_if_declared(arguments, "bootstrap-controller");
    if (brokers)
        return client::AdminConfig::parse(std::move(all),
                                          {"bootstrap.servers", std::string(*brokers)});
    if (controllers)
        return client::AdminConfig::parse(std::move(all),
                                          {"bootstrap.controllers", std::string(*controllers)});
    return client::AdminConfig::parse(all);
}

}  // namespace

Result<config::Properties> client_properties(env::Shard& shard, const Arguments& arguments,
                                             std::initializer_list<std::string_view> files,
                                             std::initializer_list<std::string_view> assignments) {
    config::Properties properties;
    for (std::string_view flag : files) {
        if (!arguments.has(flag)) continue;
        ASSIGN_OR_RETURN(properties, client::read_properties(shard, arguments.text(flag)));
    }
    for (std::string_view flag : assignments) {
        RETURN_IF_ERROR(add_assignments(arguments, flag, properties));
    }
    return properties;
}

Result<std::string> read_named_file(env::Shard& shard, std::string_view path) {
    return env::read_file(shard.disk(), path);
}

Result<> add_assignments(const Arguments& arguments, std::string_view flag,
                         config::Properties& into) {
    for (const std::string& one : arguments.all(flag)) {
        std::size_t at = one.find('=');
        std::string key = one.substr(0, at);
        if (key.empty()) return misuse(fmt::format("--{}: '{}' names no property", flag, one));
        into.set(std::move(key), at == std::string::npos ? "" : one.substr(at + 1));
    }
    return {};
}

Result<> check_bootstrap(const Arguments& arguments) {
    return arguments.exactly_one({"bootstrap-server", "bootstrap-controller"});
}

Result<AdminRun> with_old_config(env::Shard& shard, const Arguments& arguments,
                                 std::string_view flag) {
    RETURN_IF_ERROR(arguments.alone(flag, {"command-config"}));
    AdminRun how;
    if (!arguments.has(flag)) return how;
    ASSIGN_OR_RETURN(auto properties, client::read_properties(shard, arguments.text(flag)));
    how.more = properties.all();
    return how;
}

Task<int> run_with_admin(env::Shard& shard, const Arguments& arguments, Output& output,
                         AdminTool tool, AdminRun how) {
    auto config = admin_config(shard, arguments, std::move(how.more));
    if (!config) co_return output.fail(config.error());
    // The file of add-controller is a node's: nearly all of it is nothing to a client.
    if (arguments.verb() != "add-controller") {
        for (const std::string& warning : config->warnings()) output.error(warning);
    }
    client::Admin admin(shard, *config);
    auto done = co_await tool(admin, arguments, output);
    co_await admin.close();
    if (done) co_return 0;
    output.error(fmt::format("{}{}", how.prefix, done.error().message));
    co_return done.error().code == ErrorCode::invalid_request ? 1 : how.failed;
}

}  // namespace millrace::cli
