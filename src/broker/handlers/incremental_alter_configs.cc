// IncrementalAlterConfigs (key 44): sets, removes, extends or cuts single configs (KIP-339). Log
// levels (BROKER_LOGGER) are changed on this node at once; everything else goes to the controller.

#include "protocol/incremental_alter_configs.h"

#include "broker/broker_config_checks.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/logger_configs.h"
#include "broker/metadata_cache.h"
#include "config/describe.h"
#include "core/controller/alter_configs.h"

namespace millrace::broker {
namespace {

using Resource = IncrementalAlterConfigsRequest::AlterConfigsResource;
using Told = IncrementalAlterConfigsResponse::AlterConfigsResourceResponse;

Told told(const Resource& resource, Result<> outcome) {
    Told told{.resource_type = resource.resource_type, .resource_name = resource.resource_name};
    if (!outcome) {
        told.error_code = outcome.error().code;
        told.error_message = outcome.error().message;
    }
    return told;
}

Result<> alter_loggers(const Resource& resource, std::int32_t node_id, bool validate_only) {
    RETURN_IF_ERROR(check_logger_resource(resource.resource_name, node_id));
    auto level_of = [](const auto& each) {
        // A removed level falls back to what the area starts with.
        bool removed = each.config_operation == static_cast<std::int8_t>(config::AlterOp::remove);
        return removed ? std::string("INFO") : each.value.value_or("");
    };
    for (const auto& each : resource.configs) {
        if (each.config_operation > static_cast<std::int8_t>(config::AlterOp::remove)) {
            return fail(ErrorCode::invalid_request,
                        "log levels can be set and removed, not appended to or subtracted from");
        }
        RETURN_IF_ERROR(config::check_logger(each.name, level_of(each)));
    }
    if (validate_only) return {};
    for (const auto& each : resource.configs) {
        RETURN_IF_ERROR(config::set_logger(each.name, level_of(each)));
    }
    return {};
}

Result<> check_broker(const Resource& resource, const metadata::Image& image,
                      const RunningNode& running) {
    const config::ConfigMap& current =
        image.configs_of(config::ResourceType::broker, resource.resource_name);
    ASSIGN_OR_RETURN(config::ConfigMap next, controller::altered(current, resource));
    return check_broker_configs(resource.resource_name, next, running);
}

Task<IncrementalAlterConfigsResponse> answer(const IncrementalAlterConfigsRequest& request,
                                             const Caller& caller, const Node& node,
                                             MetadataCache& cache, Controllers& controllers,
                                             const config::BrokerConfig& config,
                                             const net::TlsProfiles& tls_profiles,
                                             env::Shard& shard) {
    IncrementalAlterConfigsRequest for_controller{.validate_only = request.validate_only};
    IncrementalAlterConfigsResponse response;
    for (const Resource& resource : request.resources) {
        auto type = static_cast<config::ResourceType>(resource.resource_type);
        if (type == config::ResourceType::broker_logger) {
            response.responses.push_back(
                told(resource, alter_loggers(resource, node.id, request.validate_only)));
            continue;
        }
        Result<> fine;
        if (type == config::ResourceType::broker &&
            !is_checked_elsewhere(resource.resource_name, node, caller)) {
            fine = check_broker(resource, *cache.image(), {node, config, tls_profiles, shard});
        }
        if (!fine) {
            response.responses.push_back(told(resource, fine));
        } else {
            for_controller.resources.push_back(resource);
        }
    }
    if (for_controller.resources.empty()) co_return response;
    controller::IncrementalAlterConfigs command{.request = for_controller};
    auto decided = co_await controllers.submit(std::move(command), caller);
    if (decided) {
        for (auto& each : decided->responses) response.responses.push_back(std::move(each));
    } else {
        for (const Resource& resource : for_controller.resources) {
            response.responses.push_back(told(resource, fail(decided.error())));
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::incremental_alter_configs = serve<answer>;

}  // namespace millrace::broker
