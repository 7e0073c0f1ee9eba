// AlterConfigs (key 33): gives a resource the configs of the request and no others.

#include "protocol/alter_configs.h"

#include "broker/broker_config_checks.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/alter_configs.h"

namespace millrace::broker {
namespace {

using Resource = AlterConfigsRequest::AlterConfigsResource;
using Told = AlterConfigsResponse::AlterConfigsResourceResponse;

Told told(const Resource& resource, const Error& error) {
    return {.error_code = error.code,
            .error_message = error.message,
            .resource_type = resource.resource_type,
            .resource_name = resource.resource_name};
}

Result<> check(const Resource& resource, const RunningNode& running, const Caller& caller) {
    auto type = static_cast<config::ResourceType>(resource.resource_type);
    if (type != config::ResourceType::broker) return {};
    if (is_checked_elsewhere(resource.resource_name, running.node, caller)) return {};
    config::ConfigMap next;
    for (const auto& each : resource.configs) next[each.name] = each.value.value_or("");
    return check_broker_configs(resource.resource_name, next, running);
}

Task<AlterConfigsResponse> answer(const AlterConfigsRequest& request, const Caller& caller,
                                  const Node& node, Controllers& controllers,
                                  const config::BrokerConfig& config,
                                  const net::TlsProfiles& tls_profiles, env::Shard& shard) {
    AlterConfigsResponse response;
    AlterConfigsRequest for_controller{.validate_only = request.validate_only};
    for (const Resource& resource : request.resources) {
        Result<> fine = check(resource, {node, config, tls_profiles, shard}, caller);
        if (fine) {
            for_controller.resources.push_back(resource);
        } else {
            response.responses.push_back(told(resource, fine.error()));
        }
    }
    controller::AlterConfigs command{.request = for_controller};
    auto decided = co_await controllers.submit(std::move(command), caller);
    if (decided) {
        for (auto& each : decided->responses) response.responses.push_back(std::move(each));
    } else {
        for (const Resource& resource : for_controller.resources) {
            response.responses.push_back(told(resource, decided.error()));
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::alter_configs = serve<answer>;

}  // namespace millrace::broker
