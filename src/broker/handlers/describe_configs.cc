// DescribeConfigs (key 32): the effective configs of topics, brokers, groups, loggers and metrics
// subscriptions, each with where its value comes from.

#include "protocol/describe_configs.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/logger_configs.h"
#include "broker/metadata_cache.h"
#include "config/broker_config.h"
#include "config/describe.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Told = DescribeConfigsResponse::DescribeConfigsResult;
using Asked = DescribeConfigsRequest::DescribeConfigsResource;
using config::Described;
using config::ResourceType;

Result<std::vector<Described>> describe_broker(const Asked& asked, std::int32_t node_id,
                                               const config::BrokerConfig& config) {
    if (asked.resource_name.empty()) return config::describe_all_nodes(config);
    if (asked.resource_name == std::to_string(node_id)) return config::describe_broker(config);
    bool number =
        std::ranges::all_of(asked.resource_name, [](char c) { return c >= '0' && c <= '9'; });
    return fail(
        ErrorCode::invalid_request,
        number ? fmt::format("Unexpected broker id, expected {} or empty string, but received {}",
                             node_id, asked.resource_name)
               : fmt::format("Broker id must be an integer, but it is: {}", asked.resource_name));
}

Result<std::vector<Described>> describe(const Asked& asked, const metadata::Image& image,
                                        std::int32_t node_id, const config::BrokerConfig& config) {
    auto type = static_cast<ResourceType>(asked.resource_type);
    const std::string& name = asked.resource_name;
    switch (type) {
        case ResourceType::topic:
            RETURN_IF_ERROR(metadata::validate_topic_name(name));
            if (image.topics.find(std::string_view(name)) == nullptr) {
                return fail(ErrorCode::unknown_topic_or_partition);
            }
            return config::describe_topic(config, image.topic_configs(name));
        case ResourceType::broker:
            return describe_broker(asked, node_id, config);
        case ResourceType::broker_logger:
            RETURN_IF_ERROR(check_logger_resource(name, node_id));
            return config::describe_loggers();
        case ResourceType::group:
            if (name.empty()) {
                return fail(ErrorCode::invalid_request, "Group name must not be empty");
            }
            return config::describe_group(config, image.configs_of(type, name));
        case ResourceType::client_metrics:
            if (name.empty()) {
                return fail(ErrorCode::invalid_request,
                            "Client metrics subscription name must not be empty");
            }
            return config::describe_client_metrics(image.configs_of(type, name));
        case ResourceType::unknown:
            break;
    }
    return fail(ErrorCode::invalid_request,
                fmt::format("Unsupported resource type: {}", asked.resource_type));
}

void add(Described& each, const DescribeConfigsRequest& request, Told& told) {
    auto& config = told.configs.emplace_back();
    config.name = std::move(each.name);
    config.value = std::move(each.value);
    config.read_only = each.read_only;
    config.config_source = static_cast<std::int8_t>(each.source);
    config.is_sensitive = each.sensitive;
    config.config_type = static_cast<std::int8_t>(each.type);
    config.documentation = std::nullopt;
    if (request.include_documentation) config.documentation = std::string(each.documentation);
    if (!request.include_synonyms) return;
    for (config::Synonym& synonym : each.synonyms) {
        config.synonyms.push_back({.name = std::move(synonym.name),
                                   .value = std::move(synonym.value),
                                   .source = static_cast<std::int8_t>(synonym.source)});
    }
}

Task<DescribeConfigsResponse> answer(const DescribeConfigsRequest& request, const Caller&,
                                     const Node& node, MetadataCache& cache,
                                     const config::BrokerConfig& config) {
    DescribeConfigsResponse response;
    metadata::ImagePtr image = cache.image();
    for (const Asked& asked : request.resources) {
        Told& told = response.results.emplace_back();
        told.resource_type = asked.resource_type;
        told.resource_name = asked.resource_name;
        auto described = describe(asked, *image, node.id, config);
        if (!described) {
            told.error_code = described.error().code;
            told.error_message = described.error().message;
            continue;
        }
        for (Described& each : *described) {
            const auto& keys = asked.configuration_keys;
            bool wanted =
                !keys || keys->empty() || std::ranges::find(*keys, each.name) != keys->end();
            if (wanted) add(each, request, told);
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_configs = serve<answer>;

}  // namespace millrace::broker
