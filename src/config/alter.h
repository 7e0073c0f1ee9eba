#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/definition.h"
#include "config/value.h"

namespace millrace::config {

class BrokerConfig;

// Resource types of the configs APIs (schema/enums.tsv).
enum class ResourceType : std::int8_t {
    unknown = 0,
    topic = 2,
    broker = 4,
    broker_logger = 8,
    client_metrics = 16,
    group = 32,
};
// nullptr where the resource's keys are not declared (loggers, unknown types).
const Catalogue* catalogue_of(ResourceType type);

// Operations of IncrementalAlterConfigs.
enum class AlterOp : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };

// What `name` holds after the operation; none: no longer set. `current` is what is set now; append
// and subtract work on lists only and start from the key's default when nothing is set. Error
// invalid_config.
Result<std::optional<std::string>> alter(ResourceType type, std::string_view name, AlterOp op,
                                         std::optional<std::string_view> current,
                                         std::optional<std::string_view> operand);

// What a broker would run with under these dynamic configs of its own, or with `all_nodes` of every
// broker. Error invalid_config for a key that is read-only, needs its listener's prefix or a
// broker's id, or has a wrong value, and for a combination that this node could not start with.
Result<BrokerConfig> validate_broker_configs(const BrokerConfig& broker, const ConfigMap& dynamic,
                                             bool all_nodes);

// One of them by itself.
Result<> check_dynamic(std::string_view name, std::string_view text, bool all_nodes);

// A key with its `listener.name.NAME.` prefix, and the SASL mechanism behind that, cut off.
std::string_view base_name(std::string_view name);

}  // namespace millrace::config
