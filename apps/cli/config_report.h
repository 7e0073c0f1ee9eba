#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "cli/entities.h"
#include "client/admin_configs.h"

namespace millrace::cli {

class Output;

// What `configs --describe` tells.
struct ConfigReport {
    bool all = false;  // those that nobody set, too
    bool as_json = false;
};
Task<Result<>> report_configs(client::Admin& admin, Entities entities, ConfigReport report,
                              Output& output);
// Quotas, and of users without clients their SCRAM credentials.
Task<Result<>> report_quotas(client::Admin& admin, Entities entities, bool as_json, Output& output);

// Of an entity type: "topics" is ResourceType::topic, in words "topic".
client::ResourceType resource_type(std::string_view entity_type);
std::string_view singular(std::string_view entity_type);

}  // namespace millrace::cli
