#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace millrace::broker {

// Whether a resource of type BROKER_LOGGER names this node.
Result<> check_logger_resource(const std::string& resource, std::int32_t node_id);

}  // namespace millrace::broker
