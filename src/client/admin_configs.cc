#include "client/admin_configs.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/describe_configs.h"
#include "protocol/incremental_alter_configs.h"
#include "protocol/list_config_resources.h"

namespace millrace::client {
namespace {

constexpr std::int32_t any_node = -1;

// Whom a resource's configs are asked of: a broker for its own, anybody else for all others. None
// where the name of a broker is no number.
std::optional<std::int32_t> node_of(const ConfigResource& resource) {
    bool own =
        resource.type == ResourceType::broker || resource.type == ResourceType::broker_logger;
    if (!own || resource.name.empty()) return any_node;
    std::int32_t id = 0;
    const char* end = resource.name.data() + resource.name.size();
    auto [at, error] = std::from_chars(resource.name.data(), end, id);
    if (error != std::errc() || at != end || id < 0) return std::nullopt;
    return id;
}

Task<Cluster::Connected> connect(Admin& admin, std::int32_t node) {
    return node == any_node ? admin.cluster().any() : admin.cluster().broker(node);
}

// The answers of the nodes that know, each asked for its resources by `one(node, resources)`.
template <typename T, typename One>
Task<Outcomes<ConfigResource, T>> ask_nodes(std::vector<ConfigResource> pending, One& one) {
    std::map<std::int32_t, std::vector<ConfigResource>> by_node;
    Outcomes<ConfigResource, T> outcomes;
    for (ConfigResource& resource : pending) {
        if (auto node = node_of(resource)) {
            by_node[*node].push_back(std::move(resource));
        } else {
            Error wrong{
                ErrorCode::invalid_request,
                fmt::format("'{}' is not the id of a broker, which is a number", resource.name)};
            outcomes.emplace(std::move(resource), fail(std::move(wrong)));
        }
    }
    std::vector<Task<Outcomes<ConfigResource, T>>> questions;
    for (auto& [node, resources] : by_node) questions.push_back(one(node, std::move(resources)));
    for (auto& answer : co_await gather(std::move(questions))) outcomes.merge(answer);
    co_return outcomes;
}

ConfigEntry entry_of(const DescribeConfigsResponse::DescribeConfigsResourceResult& config) {
    ConfigEntry entry;
    entry.name = config.name;
    entry.value = config.value;
    entry.source = static_cast<ConfigSource>(config.config_source);
    entry.read_only = config.read_only;
    entry.sensitive = config.is_sensitive;
    entry.type = static_cast<config::Type>(config.config_type);
    for (const auto& synonym : config.synonyms) {
        entry.synonyms.push_back(
            {synonym.name, synonym.value, static_cast<ConfigSource>(synonym.source)});
    }
    if (config.documentation && !config.documentation->empty()) {
        entry.documentation = config.documentation;
    }
    return entry;
}

}  // namespace

std::string_view name_of(ResourceType type) {
    switch (type) {
        case ResourceType::topic:
            return "topic";
        case ResourceType::broker:
            return "broker";
        case ResourceType::broker_logger:
            return "broker logger";
        case ResourceType::client_metrics:
            return "client metrics subscription";
        case ResourceType::group:
            return "group";
        case ResourceType::unknown:
            break;
    }
    return "resource of an unknown type";
}

std::string to_string(const ConfigResource& resource) {
    if (resource.name.empty()) return fmt::format("the default of a {}", name_of(resource.type));
    return fmt::format("{} '{}'", name_of(resource.type), resource.name);
}

std::string_view name_of(ConfigSource source) {
    constexpr std::string_view names[] = {
        "UNKNOWN",
        "DYNAMIC_TOPIC_CONFIG",
        "DYNAMIC_BROKER_CONFIG",
        "DYNAMIC_DEFAULT_BROKER_CONFIG",
        "STATIC_BROKER_CONFIG",
        "DEFAULT_CONFIG",
        "DYNAMIC_BROKER_LOGGER_CONFIG",
        "DYNAMIC_CLIENT_METRICS_CONFIG",
        "DYNAMIC_GROUP_CONFIG",
    };
    auto index = static_cast<std::size_t>(source);
    return index < std::size(names) ? names[index] : names[0];
}

Task<Outcomes<ConfigResource, std::vector<ConfigEntry>>> describe_configs(
    Admin& admin, std::vector<ConfigResource> resources, DescribeConfigsOptions options) {
    using Entries = std::vector<ConfigEntry>;
    using Described = Outcomes<ConfigResource, Entries>;
    using Resources = std::vector<ConfigResource>;
    auto one = [&](std::int32_t node, Resources asked) -> Task<Described> {
        DescribeConfigsRequest request;
        request.include_synonyms = options.synonyms;
        request.include_documentation = options.documentation;
        for (const ConfigResource& resource : asked) {
            request.resources.push_back(
                {static_cast<std::int8_t>(resource.type), resource.name, std::nullopt});
        }
        auto reply = co_await call_over(connect(admin, node), std::move(request));
        if (!reply) co_return all_failed<Entries>(asked, reply.error());
        Described described;
        for (const auto& result : reply->response.results) {
            ConfigResource id{static_cast<ResourceType>(result.resource_type),
                              result.resource_name};
            auto verdict = verdict_about(to_string(id), result.error_code, result.error_message);
            if (!verdict) {
                described.insert_or_assign(id, fail(std::move(verdict).error()));
                continue;
            }
            Entries entries;
            for (const auto& config : result.configs) entries.push_back(entry_of(config));
            std::ranges::sort(entries, {}, &ConfigEntry::name);
            described.insert_or_assign(id, std::move(entries));
        }
        co_return described;
    };
    auto attempt = [&](Resources pending) -> Task<Described> {
        return ask_nodes<Entries>(std::move(pending), one);
    };
    co_return co_await settle<Entries>(admin, "describing configs", std::move(resources),
                                       admin.deadline(), attempt);
}

Task<Outcomes<ConfigResource>> alter_configs(
    Admin& admin, std::map<ConfigResource, std::vector<ConfigChange>> changes, bool validate_only) {
    using Altered = Outcomes<ConfigResource>;
    using Resources = std::vector<ConfigResource>;
    auto one = [&](std::int32_t node, Resources asked) -> Task<Altered> {
        IncrementalAlterConfigsRequest request;
        request.validate_only = validate_only;
        for (const ConfigResource& resource : asked) {
            auto& in_request = request.resources.emplace_back();
            in_request.resource_type = static_cast<std::int8_t>(resource.type);
            in_request.resource_name = resource.name;
            for (const ConfigChange& change : changes[resource]) {
                in_request.configs.push_back(
                    {change.name, static_cast<std::int8_t>(change.operation), change.value});
            }
        }
        auto reply = co_await call_over(connect(admin, node), std::move(request));
        if (!reply) co_return all_failed<void>(asked, reply.error());
        Altered altered;
        for (const auto& result : reply->response.responses) {
            ConfigResource id{static_cast<ResourceType>(result.resource_type),
                              result.resource_name};
            altered.insert_or_assign(
                id, verdict_about(to_string(id), result.error_code, result.error_message));
        }
        co_return altered;
    };
    auto attempt = [&](Resources pending) -> Task<Altered> {
        return ask_nodes<void>(std::move(pending), one);
    };
    co_return co_await settle<void>(admin, "altering configs", keys_of(changes), admin.deadline(),
                                    attempt);
}

Task<Result<std::vector<ConfigResource>>> list_config_resources(Admin& admin,
                                                                std::vector<ResourceType> types) {
    constexpr std::int16_t first_with_types = 1;
    auto attempt = [&]() -> Task<Result<std::vector<ConfigResource>>> {
        ASSIGN_OR_CO_RETURN(auto connection, co_await admin.cluster().any());
        ASSIGN_OR_CO_RETURN(std::int16_t version,
                            connection->version_of(ApiKey::list_config_resources));
        bool only_metrics = types == std::vector{ResourceType::client_metrics};
        if (version < first_with_types && !only_metrics) {
            co_return fail(ErrorCode::unsupported_version,
                           fmt::format("{} lists client metrics subscriptions only; it is older "
                                       "than Kafka 4.1",
                                       connection->name()));
        }
        ListConfigResourcesRequest request;
        for (ResourceType type : types) {
            if (version < first_with_types) break;
            request.resource_types.push_back(static_cast<std::int8_t>(type));
        }
        ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
        CO_RETURN_IF_ERROR(
            verdict_about("listing resources with configs", reply.response.error_code));
        std::vector<ConfigResource> listed;
        for (const auto& resource : reply.response.config_resources) {
            listed.push_back(
                {static_cast<ResourceType>(resource.resource_type), resource.resource_name});
        }
        std::ranges::sort(listed);
        co_return listed;
    };
    co_return co_await with_retries(admin.cluster(), "listing resources with configs",
                                    admin.deadline(), attempt);
}

}  // namespace millrace::client
