#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/broker_config.h"

namespace millrace::server {

// The exit codes of these commands: what Kafka's scripts give.
inline constexpr int done = 0;
inline constexpr int failed = 1;

// A configuration file, with what the command line puts over it. Errors name the file.
Result<config::BrokerConfig> read_config(const std::string& path,
                                         const std::vector<config::Property>& overrides = {});

// Prints "millrace COMMAND: MESSAGE" on stderr; returns the exit code of a failure.
int complain(std::string_view command, std::string_view message);

}  // namespace millrace::server
