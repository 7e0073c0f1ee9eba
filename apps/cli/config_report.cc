#include "cli/config_report.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <set>

#include "cli/output.h"
#include "cli/quotas.h"
#include "cli/scram.h"
#include "client/admin_cluster.h"
#include "client/admin_groups.h"
#include "client/admin_topics.h"
#include "config/value.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

using client::ConfigEntry;
using client::ConfigSource;
using client::ResourceType;

// What a resource's own configs come from; unknown: everything is its own.
ConfigSource own_source(ResourceType type, std::string_view name) {
    switch (type) {
        case ResourceType::topic:
            return ConfigSource::dynamic_topic;
        case ResourceType::broker:
            return name.empty() ? ConfigSource::dynamic_default_broker
                                : ConfigSource::dynamic_broker;
        case ResourceType::client_metrics:
            return ConfigSource::dynamic_client_metrics;
        case ResourceType::group:
            return ConfigSource::dynamic_group;
        default:
            return ConfigSource::unknown;
    }
}

Task<Result<std::set<std::string>>> resources_with_configs(client::Admin& admin,
                                                           ResourceType type) {
    std::vector<ResourceType> types{type};
    ASSIGN_OR_CO_RETURN(auto resources,
                        co_await client::list_config_resources(admin, std::move(types)));
    std::set<std::string> names;
    for (auto& resource : resources) names.insert(std::move(resource.name));
    co_return names;
}

// All resources of a type that exist, or have configs.
Task<Result<std::set<std::string>>> names_of(client::Admin& admin, ResourceType type) {
    std::set<std::string> names;
    if (type == ResourceType::topic) {
        ASSIGN_OR_CO_RETURN(auto topics, co_await client::list_topics(admin, true));
        for (auto& topic : topics) names.insert(std::move(topic.name));
    } else if (type == ResourceType::client_metrics) {
        co_return co_await resources_with_configs(admin, type);
    } else if (type == ResourceType::group) {
        ASSIGN_OR_CO_RETURN(auto groups, co_await client::list_groups(admin));
        auto configured = co_await resources_with_configs(admin, type);
        // Brokers before 4.1 cannot tell; callers without rights may not know.
        bool untold =
            !configured && (configured.error().code == ErrorCode::unsupported_version ||
                            configured.error().code == ErrorCode::cluster_authorization_failed);
        if (!configured && !untold) co_return fail(std::move(configured).error());
        if (configured) names = *std::move(configured);
        for (auto& group : groups.groups) names.insert(std::move(group.id));
    } else {
        ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
        for (const auto& node : cluster.nodes) names.insert(std::to_string(node.id));
    }
    co_return names;
}

void print_entry(const ConfigEntry& entry, Output& output) {
    output.print("  {}={} sensitive={} synonyms={{", entry.name, entry.value.value_or("null"),
                 entry.sensitive);
    const char* separator = "";
    for (const auto& synonym : entry.synonyms) {
        output.print("{}{}:{}={}", separator, client::name_of(synonym.source), synonym.name,
                     synonym.value.value_or("null"));
        separator = ", ";
    }
    output.write("}\n");
}

json::value text_or_null(const std::optional<std::string>& text) {
    return text ? json::value(*text) : json::value(nullptr);
}

json::object to_json(const ConfigEntry& entry) {
    json::array synonyms;
    for (const auto& synonym : entry.synonyms) {
        synonyms.push_back(json::object{{"name", synonym.name},
                                        {"value", text_or_null(synonym.value)},
                                        {"source", client::name_of(synonym.source)}});
    }
    return {{"name", entry.name},
            {"value", text_or_null(entry.value)},
            {"source", client::name_of(entry.source)},
            {"read_only", entry.read_only},
            {"sensitive", entry.sensitive},
            {"synonyms", std::move(synonyms)}};
}

// The entries to show, by name.
std::vector<const ConfigEntry*> shown_entries(const std::vector<ConfigEntry>& entries,
                                              ConfigSource own, bool all) {
    std::vector<const ConfigEntry*> shown;
    for (const ConfigEntry& entry : entries) {
        if (all || own == ConfigSource::unknown || entry.source == own) shown.push_back(&entry);
    }
    std::ranges::sort(shown, {}, [](const ConfigEntry* entry) { return entry->name; });
    return shown;
}

// The names to describe: the one given when it is there, or all of the type.
Task<Result<std::vector<std::string>>> choose(client::Admin& admin, const Entities& entities,
                                              bool all) {
    ResourceType type = resource_type(entities.type());
    bool with_defaults = type == ResourceType::broker || type == ResourceType::broker_logger;
    if (!entities.names.empty() && (all || (with_defaults && entities.names.front().empty()))) {
        co_return entities.names;
    }
    ASSIGN_OR_CO_RETURN(auto there, co_await names_of(admin, type));
    if (entities.names.empty()) {
        std::vector<std::string> names(there.begin(), there.end());
        if (with_defaults) names.emplace_back();
        co_return names;
    }
    if (there.contains(entities.names.front())) co_return entities.names;
    co_return std::vector<std::string>();
}

}  // namespace

ResourceType resource_type(std::string_view entity_type) {
    if (entity_type == "topics") return ResourceType::topic;
    if (entity_type == "brokers") return ResourceType::broker;
    if (entity_type == "broker-loggers") return ResourceType::broker_logger;
    if (entity_type == "client-metrics") return ResourceType::client_metrics;
    if (entity_type == "groups") return ResourceType::group;
    return ResourceType::unknown;
}

std::string_view singular(std::string_view entity_type) {
    return entity_type.substr(0, entity_type.size() - 1);
}

Task<Result<>> report_configs(client::Admin& admin, Entities entities, ConfigReport report,
                              Output& output) {
    ResourceType type = resource_type(entities.type());
    ASSIGN_OR_CO_RETURN(auto names, co_await choose(admin, entities, report.all));
    if (names.empty() && !entities.names.empty() && !report.as_json) {
        output.line("The {} '{}' doesn't exist and doesn't have dynamic config.",
                    singular(entities.type()), entities.names.front());
    }
    json::array documents;
    for (const std::string& name : names) {
        client::ConfigResource resource{type, name};
        std::vector<client::ConfigResource> asked{resource};
        client::DescribeConfigsOptions options{.synonyms = true};
        auto outcomes = co_await client::describe_configs(admin, std::move(asked), options);
        auto& entries = outcomes.at(resource);
        if (!entries) co_return fail(std::move(entries).error());
        auto shown = shown_entries(*entries, own_source(type, name), report.all);
        if (report.as_json) {
            json::array configs;
            for (const ConfigEntry* entry : shown) configs.push_back(to_json(*entry));
            documents.push_back(json::object{{"entity_type", entities.type()},
                                             {"entity_name", name},
                                             {"configs", std::move(configs)}});
            continue;
        }
        if (name.empty()) {
            output.line("Default configs for {} in the cluster are:", entities.type());
        } else {
            output.line("{} configs for {} {} are:", report.all ? "All" : "Dynamic",
                        singular(entities.type()), name);
        }
        for (const ConfigEntry* entry : shown) print_entry(*entry, output);
    }
    if (report.as_json) output.json(json::object{{"entities", std::move(documents)}});
    co_return Result<>();
}

Task<Result<>> report_quotas(client::Admin& admin, Entities entities, bool as_json,
                             Output& output) {
    constexpr std::pair<std::string_view, std::string_view> spoken[] = {
        {"user", "user-principal"}, {"client-id", "client-id"}, {"ip", "ip"}};
    ASSIGN_OR_CO_RETURN(auto found, co_await describe_quotas(admin, entities));
    json::array quotas_json;
    for (const QuotaEntity& entity : found) {
        std::vector<std::string> parts;
        json::object names;
        for (const auto& [type, words] : spoken) {
            auto part = entity.parts.find(std::string(type));
            if (part == entity.parts.end()) continue;
            names[type] = text_or_null(part->second);
            parts.push_back(part->second ? fmt::format("{} '{}'", words, *part->second)
                                         : fmt::format("the default {}", words));
        }
        std::vector<std::string> quotas;
        json::object values;
        for (const auto& [key, quota] : entity.quotas) {
            values[key] = quota;
            quotas.push_back(fmt::format("{}={}", key, config::to_text(quota)));
        }
        quotas_json.push_back(
            json::object{{"entity", std::move(names)}, {"quotas", std::move(values)}});
        if (!as_json) {
            output.line("Quota configs for {} are {}", fmt::join(parts, ", "),
                        fmt::join(quotas, ", "));
        }
    }
    json::array users_json;
    bool with_scram = entities.types.size() == 1 && entities.is_of("users") &&
                      std::ranges::find(entities.names, "") == entities.names.end();
    if (with_scram) {
        ASSIGN_OR_CO_RETURN(auto users, co_await describe_scram(admin, entities.names));
        for (const ScramUser& user : users) {
            if (!user.credentials) {
                output.error(fmt::format("SCRAM credentials of user '{}': {}", user.name,
                                         user.credentials.error().message));
                continue;
            }
            std::vector<std::string> texts;
            json::array credentials;
            for (const auto& one : *user.credentials) {
                texts.push_back(fmt::format("{}=iterations={}", one.mechanism, one.iterations));
                credentials.push_back(
                    json::object{{"mechanism", one.mechanism}, {"iterations", one.iterations}});
            }
            users_json.push_back(
                json::object{{"user", user.name}, {"credentials", std::move(credentials)}});
            if (as_json) continue;
            output.line("SCRAM credential configs for user-principal '{}' are {}", user.name,
                        fmt::join(texts, ", "));
        }
    }
    if (as_json) {
        output.json(
            json::object{{"quotas", std::move(quotas_json)}, {"scram", std::move(users_json)}});
    }
    co_return Result<>();
}

}  // namespace millrace::cli
