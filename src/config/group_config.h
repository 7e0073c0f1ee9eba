#pragma once

#include <vector>

#include "base/result.h"
#include "config/client_metrics_settings.h"
#include "config/group_settings.h"
#include "config/value.h"

namespace millrace::config {

class BrokerConfig;

// What a group of the consumer, share and streams protocols runs with (KIP-848, KIP-932, KIP-1071).
class GroupConfig : public GroupSettings {
  public:
    GroupConfig() = default;  // Kafka's defaults
    // The group's own values over the broker's, kept within the broker's bounds.
    static GroupConfig effective(const BrokerConfig& broker, const ConfigMap& own);

  private:
    explicit GroupConfig(std::vector<Value> values) : GroupSettings(std::move(values)) {}
};

// All that the group would have set. Error invalid_config.
Result<> validate_group_configs(const BrokerConfig& broker, const ConfigMap& own);

// A client metrics subscription (KIP-714).
class ClientMetricsConfig : public ClientMetricsSettings {
  public:
    ClientMetricsConfig() = default;
    static ClientMetricsConfig effective(const ConfigMap& own);

  private:
    explicit ClientMetricsConfig(std::vector<Value> values)
        : ClientMetricsSettings(std::move(values)) {}
};

// Error invalid_request for an unknown key or an interval outside its bounds, as Kafka has it, and
// invalid_config for the rest.
Result<> validate_client_metrics_configs(const ConfigMap& own);

}  // namespace millrace::config
