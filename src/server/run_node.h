#pragma once

#include <functional>

#include "config/broker_config.h"
#include "server/process.h"

namespace millrace::server {

// Runs a node in the real world, in the foreground, until SIGTERM or SIGINT; `ready` is called once
// clients are served. Returns the exit code.
int run_node(const config::BrokerConfig& config, std::function<void(const Process&)> ready = {});

}  // namespace millrace::server
