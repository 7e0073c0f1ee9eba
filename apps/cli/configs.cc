#include <algorithm>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/config_report.h"
#include "cli/connect.h"
#include "cli/entities.h"
#include "cli/output.h"
#include "cli/quotas.h"
#include "cli/scram.h"
#include "client/admin_configs.h"
#include "client/client_config.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr std::string_view types =
    "topics clients users brokers broker-loggers ips client-metrics groups";

constexpr Flag flags[] = {
    bootstrap_server(),
    bootstrap_controller(),
    command_config(),
    on_off("describe", "tell configs"),
    on_off("alter", "change configs"),
    on_off("all", "describe those that nobody set, too"),
    value("add-config", "KEY=VALUE,…", "configs to set; a value with commas in brackets: k=[a,b]"),
    value("add-config-file", "FILE", "properties to set as configs").file(),
    value("delete-config", "KEY,…", "configs to take back").repeated(),
    value("entity-type", "TYPE", "whose configs; users and clients may be given together")
        .choices(types)
        .repeated(),
    value("entity-name", "NAME", "which one; all of the type without it").repeated(),
    on_off("entity-default", "the default of users, clients, brokers or ips").repeated(),
    value("topic", "TOPIC", "this topic"),
    value("client", "CLIENT-ID", "this client"),
    on_off("client-defaults", "the default of clients"),
    value("user", "PRINCIPAL", "this user"),
    on_off("user-defaults", "the default of users"),
    value("broker", "ID", "this broker"),
    on_off("broker-defaults", "the default of brokers"),
    value("broker-logger", "ID", "log levels of this broker"),
    value("ip", "ADDRESS", "this address of clients"),
    on_off("ip-defaults", "the default of addresses"),
    value("client-metrics", "NAME", "this subscription of client metrics"),
    value("group", "GROUP", "this group"),
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"describe", "alter"}));
    RETURN_IF_ERROR(check_bootstrap(arguments));
    RETURN_IF_ERROR(
        arguments.alone("describe", {"add-config", "add-config-file", "delete-config"}));
    RETURN_IF_ERROR(arguments.alone("add-config", {"add-config-file"}));
    if (arguments.has("alter") && !arguments.has("add-config") &&
        !arguments.has("add-config-file") && !arguments.has("delete-config")) {
        return misuse("--alter needs one of --add-config, --add-config-file, --delete-config");
    }
    return {};
}

struct Changes {
    std::vector<config::Property> added;
    std::vector<std::string> removed;

    std::vector<std::string> keys() const {
        std::vector<std::string> all = removed;
        for (const config::Property& one : added) all.push_back(one.key);
        return all;
    }
};

Result<Changes> read_changes(env::Shard& shard, const Arguments& arguments) {
    Changes changes;
    if (arguments.has("add-config-file")) {
        ASSIGN_OR_RETURN(auto file,
                         client::read_properties(shard, arguments.text("add-config-file")));
        changes.added = file.all();
        RETURN_IF_ERROR(check_config_keys(changes.added));
    }
    if (arguments.has("add-config")) {
        ASSIGN_OR_RETURN(changes.added, parse_added_configs(arguments.text("add-config")));
    }
    for (const std::string& words : arguments.all("delete-config")) {
        for (std::string_view word : split(words, ',')) {
            std::size_t first = word.find_first_not_of(' ');
            if (first == std::string_view::npos) continue;
            changes.removed.emplace_back(
                word.substr(first, word.find_last_not_of(' ') + 1 - first));
        }
    }
    return changes;
}

Task<Result<>> alter_resource(client::Admin& admin, const Entities& entities,
                              const Changes& changes) {
    client::ConfigResource resource{resource_type(entities.type()), entities.names.front()};
    std::vector<client::ConfigChange> operations;
    for (const std::string& key : changes.removed) {
        operations.push_back({key, client::AlterOperation::remove, std::nullopt});
    }
    for (const config::Property& one : changes.added) {
        operations.push_back({one.key, client::AlterOperation::set, one.value});
    }
    if (resource.type == client::ResourceType::broker_logger) {
        std::vector<client::ConfigResource> asked{resource};
        auto loggers = co_await client::describe_configs(admin, std::move(asked));
        auto& entries = loggers.at(resource);
        if (!entries) co_return fail(std::move(entries).error());
        std::vector<std::string> unknown;
        for (const std::string& key : changes.keys()) {
            if (std::ranges::find(*entries, key, &client::ConfigEntry::name) == entries->end()) {
                unknown.push_back(key);
            }
        }
        if (!unknown.empty()) {
            co_return misuse(fmt::format("Invalid broker logger(s): {}", fmt::join(unknown, ",")));
        }
    }
    std::map<client::ConfigResource, std::vector<client::ConfigChange>> all;
    all[resource] = std::move(operations);
    auto outcomes = co_await client::alter_configs(admin, std::move(all));
    co_return std::move(outcomes.at(resource));
}

Result<std::map<std::string, std::optional<double>>> quota_changes(const Changes& changes) {
    std::map<std::string, std::optional<double>> quotas;
    for (const std::string& key : changes.removed) quotas[key] = std::nullopt;
    for (const config::Property& one : changes.added) {
        char* end = nullptr;
        double number = std::strtod(one.value.c_str(), &end);
        if (one.value.empty() || *end != '\0') {
            return misuse(fmt::format("Cannot parse quota configuration value for {}: {}", one.key,
                                      one.value));
        }
        quotas[one.key] = number;
    }
    return quotas;
}

// Either all keys are quotas of the entity, or all are SCRAM mechanisms of one user.
Result<bool> concerns_scram(const Entities& entities, const Changes& changes) {
    bool quotas = false;
    bool scram = false;
    std::vector<std::string> unknown;
    bool user_alone = entities.types.size() == 1 && entities.is_of("users");
    for (const std::string& key : changes.keys()) {
        bool quota = entities.is_of("ips") ? is_quota_of_ip(key) : is_quota_of_user(key);
        bool mechanism = user_alone && is_scram_mechanism(key);
        quotas = quotas || quota;
        scram = scram || mechanism;
        if (!quota && !mechanism) unknown.push_back(key);
    }
    if (!unknown.empty()) {
        return misuse(fmt::format("{} have no such configs: {}; they have {}",
                                  fmt::join(entities.types, " and "), fmt::join(unknown, ", "),
                                  entities.is_of("ips") ? "connection_creation_rate"
                                  : user_alone          ? "quotas and SCRAM credentials"
                                                        : "quotas"));
    }
    if (scram && quotas) {
        return misuse("quotas and SCRAM credentials cannot be altered at once");
    }
    if (scram && entities.names.front().empty()) {
        return misuse("SCRAM credentials belong to one user: name it");
    }
    return scram;
}

Task<Result<>> alter_client_entity(client::Admin& admin, const Entities& entities,
                                   Changes changes) {
    ASSIGN_OR_CO_RETURN(bool scram, concerns_scram(entities, changes));
    if (scram) {
        co_return co_await alter_scram(admin, entities.names.front(), std::move(changes.added),
                                       std::move(changes.removed));
    }
    ASSIGN_OR_CO_RETURN(auto quotas, quota_changes(changes));
    ASSIGN_OR_CO_RETURN(auto before, co_await describe_quotas(admin, entities));
    std::vector<std::string> missing;
    for (const std::string& key : changes.removed) {
        if (before.empty() || !before.front().quotas.contains(key)) missing.push_back(key);
    }
    if (!missing.empty()) {
        co_return misuse(fmt::format("Invalid config(s): {}", fmt::join(missing, ",")));
    }
    co_return co_await alter_quotas(admin, entities, std::move(quotas));
}

bool is_client_entity(const Entities& entities) {
    return entities.is_of("users") || entities.is_of("clients") || entities.is_of("ips");
}

Task<Result<>> alter(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(Entities entities, read_entities(arguments));
    ASSIGN_OR_CO_RETURN(Changes changes, read_changes(admin.shard(), arguments));
    if (is_client_entity(entities)) {
        CO_RETURN_IF_ERROR(co_await alter_client_entity(admin, entities, std::move(changes)));
    } else {
        CO_RETURN_IF_ERROR(co_await alter_resource(admin, entities, changes));
    }
    const std::string& name = entities.names.front();
    if (arguments.as_json()) {
        output.json(json::object{{"entity_type", entities.type()}, {"entity_name", name}});
    } else if (!name.empty()) {
        output.line("Completed updating config for {} {}.", singular(entities.type()), name);
    } else {
        output.line("Completed updating default config for {} in the cluster.", entities.type());
    }
    co_return Result<>();
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(Entities entities, read_entities(arguments));
    if (is_client_entity(entities)) {
        co_return co_await report_quotas(admin, entities, arguments.as_json(), output);
    }
    ConfigReport report{.all = arguments.has("all"), .as_json = arguments.as_json()};
    co_return co_await report_configs(admin, std::move(entities), report, output);
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    Result<> checked = check(arguments);
    if (checked) {
        auto entities = read_entities(arguments);
        if (!entities) checked = fail(std::move(entities).error());
    }
    if (!checked) co_return output.fail(checked.error());
    co_return co_await run_with_admin(shard, arguments, output,
                                      arguments.has("alter") ? alter : describe);
}

}  // namespace

const Command tools::configs{
    .name = "configs",
    .kafka_name = "kafka-configs",
    .summary = "tell and change configs of topics, brokers, groups, and quotas of clients",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
