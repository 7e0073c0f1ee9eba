#include "broker/broker_config_checks.h"

#include <fmt/core.h>

#include "config/alter.h"

namespace millrace::broker {

Result<> check_broker_configs(const std::string& resource_name, const config::ConfigMap& next,
                              const Node& node, const config::BrokerConfig& config) {
    bool all_nodes = resource_name.empty();
    if (!all_nodes && resource_name != std::to_string(node.id)) {
        return fail(ErrorCode::invalid_request,
                    fmt::format("Unexpected broker id, expected {} or empty string, but received "
                                "{}",
                                node.id, resource_name));
    }
    Result<> valid = config::validate_broker_configs(config, next, all_nodes);
    if (!valid) return fail(ErrorCode::invalid_request, std::move(valid).error().message);
    return {};
}

}  // namespace millrace::broker
