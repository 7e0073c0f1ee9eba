#pragma once

#include <string>

#include "base/result.h"
#include "broker/handler.h"
#include "broker/node.h"
#include "config/broker_config.h"
#include "env/shard.h"
#include "net/tls_profiles.h"

namespace millrace::broker {

// A node as it runs, of one shard.
struct RunningNode {
    const Node& node;
    const config::BrokerConfig& config;
    const net::TlsProfiles& tls_profiles;
    env::Shard& shard;
};

// Whether this node, named by the resource, or every broker ("") could run with these dynamic
// configs: only the broker itself knows what it runs with, and what is in its files. Error
// invalid_request, as Apache has it.
Result<> check_broker_configs(const std::string& resource_name, const config::ConfigMap& next,
                              const RunningNode& running);

// What came by a controllers' listener may be for another broker, which alone could say whether it
// fits; that has been asked where it came from a broker.
bool is_checked_elsewhere(const std::string& resource_name, const Node& node, const Caller& caller);

}  // namespace millrace::broker
