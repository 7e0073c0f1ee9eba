#include "broker/broker_config_checks.h"

#include <fmt/core.h>

#include "broker/tls_listeners.h"
#include "config/alter.h"

namespace millrace::broker {

Result<> check_broker_configs(const std::string& resource_name, const config::ConfigMap& next,
                              const RunningNode& running) {
    bool all_nodes = resource_name.empty();
    if (!all_nodes && resource_name != std::to_string(running.node.id)) {
        return fail(ErrorCode::invalid_request,
                    fmt::format("Unexpected broker id, expected {} or empty string, but received "
                                "{}",
                                running.node.id, resource_name));
    }
    auto valid = config::validate_broker_configs(running.config, next, all_nodes);
    if (!valid) return fail(ErrorCode::invalid_request, std::move(valid).error().message);
    auto profiles = tls_profiles(*valid, running.tls_profiles, running.shard);
    if (!profiles) return fail(ErrorCode::invalid_request, std::move(profiles).error().message);
    return {};
}

bool is_checked_elsewhere(const std::string& resource_name, const Node& node,
                          const Caller& caller) {
    return caller.peer().listener->is_controller && !resource_name.empty() &&
           resource_name != std::to_string(node.id);
}

}  // namespace millrace::broker
