#include "broker/logger_configs.h"

#include <fmt/core.h>

namespace millrace::broker {

Result<> check_logger_resource(const std::string& resource, std::int32_t node_id) {
    if (resource == std::to_string(node_id)) return {};
    return fail(
        ErrorCode::invalid_request,
        fmt::format("Unexpected broker id, expected {} but received {}", node_id, resource));
}

}  // namespace millrace::broker
