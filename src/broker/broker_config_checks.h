#pragma once

#include <string>

#include "base/result.h"
#include "broker/node.h"
#include "config/broker_config.h"

namespace millrace::broker {

// Whether this node, named by the resource, or every broker ("") could run with these dynamic
// configs: only the broker itself knows what it runs with. Error invalid_request, as Apache has it.
Result<> check_broker_configs(const std::string& resource_name, const config::ConfigMap& next,
                              const Node& node, const config::BrokerConfig& config);

}  // namespace millrace::broker
