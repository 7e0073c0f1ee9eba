#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/topic_settings.h"
#include "config/value.h"

namespace millrace::config {

class BrokerConfig;

// What a topic runs with: topic.retention_ms(), topic.segment_bytes()... Immutable; a copy shares
// it.
class TopicConfig : public TopicSettings {
  public:
    TopicConfig() = default;  // Kafka's defaults
    // The topic's own values over the broker's dynamic and static ones over the defaults. A value
    // that is not valid (another version wrote it) counts as not set.
    static TopicConfig effective(const BrokerConfig& broker, const ConfigMap& own);

    bool compacts() const { return compacts_; }
    bool deletes() const { return deletes_; }  // by age and size
    // What a segment is rolled at: segment.bytes, or the smaller one that tests may set.
    std::int32_t segment_size() const { return internal_segment_bytes().value_or(segment_bytes()); }
    bool log_append_time() const { return log_append_time_; }

  private:
    explicit TopicConfig(std::vector<Value> values);
    bool compacts_ = false;
    bool deletes_ = true;
    bool log_append_time_ = false;
};

// For CreateTopics, AlterConfigs and IncrementalAlterConfigs: `own` is all that the topic would
// have set, `before` what it has. Error invalid_config.
Result<> validate_topic_configs(const BrokerConfig& broker, const ConfigMap& own,
                                const ConfigMap& before = {});

}  // namespace millrace::config
