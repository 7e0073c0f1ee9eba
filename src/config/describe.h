#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definition.h"
#include "config/value.h"

namespace millrace::config {

class BrokerConfig;

// Values are the source codes of DescribeConfigs (schema/enums.tsv).
enum class Source : std::int8_t {
    unknown = 0,
    topic = 1,
    dynamic_broker = 2,
    dynamic_default_broker = 3,
    static_broker = 4,
    default_value = 5,
    broker_logger = 6,
    client_metrics = 7,
    group = 8,
};

struct Synonym {
    std::string name;
    std::optional<std::string> value;  // none when sensitive
    Source source = Source::unknown;
    bool operator==(const Synonym&) const = default;
};

// One config of a DescribeConfigs answer. Its synonyms are in order of precedence.
struct Described {
    std::string name;
    std::optional<std::string> value;  // none: null, or sensitive
    bool read_only = false;
    Source source = Source::default_value;
    bool sensitive = false;
    std::vector<Synonym> synonyms;
    Type type = Type::unknown;
    std::string_view documentation;
};

// All configs of a resource, sorted by name; `own` is what is set on the resource itself.
std::vector<Described> describe_broker(const BrokerConfig& broker);
std::vector<Described> describe_all_nodes(const BrokerConfig& broker);  // the resource named ""
std::vector<Described> describe_topic(const BrokerConfig& broker, const ConfigMap& own);
std::vector<Described> describe_group(const BrokerConfig& broker, const ConfigMap& own);
std::vector<Described> describe_client_metrics(const ConfigMap& own);

// BROKER_LOGGER: the log areas and their levels, in Kafka's words (FATAL counts as ERROR); "root"
// stands for all areas.
std::vector<Described> describe_loggers();
Result<> check_logger(std::string_view logger, std::string_view level);  // changes nothing
Result<> set_logger(std::string_view logger, std::string_view level);

}  // namespace millrace::config
