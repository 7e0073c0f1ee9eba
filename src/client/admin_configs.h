#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/admin.h"
#include "config/definition.h"

namespace millrace::client {

// Values are ConfigResource types of the protocol (schema/enums.tsv).
enum class ResourceType : std::int8_t {
    unknown = 0,
    topic = 2,
    broker = 4,
    broker_logger = 8,
    client_metrics = 16,
    group = 32,
};
std::string_view name_of(ResourceType type);  // "topic"

struct ConfigResource {
    ResourceType type = ResourceType::topic;
    std::string name;  // of a broker: its id, or "" for the default of all brokers

    auto operator<=>(const ConfigResource&) const = default;
};
std::string to_string(const ConfigResource& resource);  // "topic 't'"

// Values are the sources of DescribeConfigs.
enum class ConfigSource : std::int8_t {
    unknown = 0,
    dynamic_topic = 1,
    dynamic_broker = 2,
    dynamic_default_broker = 3,
    static_broker = 4,
    default_config = 5,
    dynamic_broker_logger = 6,
    dynamic_client_metrics = 7,
    dynamic_group = 8,
};
std::string_view name_of(ConfigSource source);  // "DYNAMIC_TOPIC_CONFIG"

struct ConfigSynonym {
    std::string name;
    std::optional<std::string> value;
    ConfigSource source = ConfigSource::unknown;
};
struct ConfigEntry {
    std::string name;
    std::optional<std::string> value;  // none: null, or a secret
    ConfigSource source = ConfigSource::unknown;
    bool read_only = false;
    bool sensitive = false;
    config::Type type = config::Type::unknown;
    std::vector<ConfigSynonym> synonyms;       // where they were asked for
    std::optional<std::string> documentation;  // where it was asked for
};

struct DescribeConfigsOptions {
    bool synonyms = false;
    bool documentation = false;
};
Task<Outcomes<ConfigResource, std::vector<ConfigEntry>>> describe_configs(
    Admin& admin, std::vector<ConfigResource> resources, DescribeConfigsOptions options = {});

// Values are the operations of IncrementalAlterConfigs.
enum class AlterOperation : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };

struct ConfigChange {
    std::string name;
    AlterOperation operation = AlterOperation::set;
    std::optional<std::string> value;  // none with remove
};
Task<Outcomes<ConfigResource>> alter_configs(
    Admin& admin, std::map<ConfigResource, std::vector<ConfigChange>> changes,
    bool validate_only = false);

// Resources that have configs of their own; of no types: of all. Brokers older than 4.1 tell
// client metrics subscriptions only.
Task<Result<std::vector<ConfigResource>>> list_config_resources(Admin& admin,
                                                                std::vector<ResourceType> types);

}  // namespace millrace::client
