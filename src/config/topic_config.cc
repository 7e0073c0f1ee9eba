#include "config/topic_config.h"

#include <algorithm>
#include <fmt/format.h>

#include "config/broker_config.h"
#include "config/supplied.h"

namespace millrace::config {
namespace {

// local.retention.* may not keep more than retention.* keeps of the whole (KIP-405).
Result<> check_local_retention(std::string_view local_key, std::int64_t local,
                               std::string_view total_key, std::int64_t total) {
    constexpr std::int64_t same_as_total = -2;
    constexpr std::int64_t unlimited = -1;
    if (total == unlimited || local == same_as_total) return {};
    if (local == unlimited || local > total) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("{}={} is more than {}={}: lower it, or set it to -2 for the same",
                                local_key, local, total_key, total));
    }
    return {};
}

Result<> check_copying_disabled(const TopicConfig& topic) {
    if (!topic.remote_log_copy_disable()) return {};
    auto differ = [](std::int64_t local, std::int64_t total) {
        return local != -2 && local != total;
    };
    if (differ(topic.local_retention_ms(), topic.retention_ms()) ||
        differ(topic.local_retention_bytes(), topic.retention_bytes())) {
        return fail(ErrorCode::invalid_config,
                    "with remote.log.copy.disable=true, local.retention.ms and "
                    "local.retention.bytes are -2 or the same as retention.ms and "
                    "retention.bytes: nothing is copied that could be kept elsewhere");
    }
    return {};
}

Result<> check_remote_storage(const BrokerConfig& broker, const TopicConfig& topic) {
    if (!broker.remote_log_storage_system_enable()) {
        return fail(ErrorCode::invalid_config,
                    "remote.storage.enable=true needs remote.log.storage.system.enable=true on "
                    "the brokers");
    }
    if (topic.compacts()) {
        return fail(ErrorCode::invalid_config,
                    "remote.storage.enable=true goes with cleanup.policy=delete only");
    }
    RETURN_IF_ERROR(check_local_retention("local.retention.bytes", topic.local_retention_bytes(),
                                          "retention.bytes", topic.retention_bytes()));
    RETURN_IF_ERROR(check_local_retention("local.retention.ms", topic.local_retention_ms(),
                                          "retention.ms", topic.retention_ms()));
    return check_copying_disabled(topic);
}

bool is_true(const ConfigMap& configs, std::string_view key) {
    auto at = configs.find(key);
    return at != configs.end() && at->second == "true";
}

}  // namespace

TopicConfig::TopicConfig(std::vector<Value> values) : TopicSettings(std::move(values)) {
    compacts_ = std::ranges::find(cleanup_policy(), "compact") != cleanup_policy().end();
    deletes_ = std::ranges::find(cleanup_policy(), "delete") != cleanup_policy().end();
    log_append_time_ = message_timestamp_type() == "LogAppendTime";
}

TopicConfig TopicConfig::effective(const BrokerConfig& broker, const ConfigMap& own) {
    return TopicConfig(supplied_values(topic_catalogue(), broker, own));
}

Result<> validate_topic_configs(const BrokerConfig& broker, const ConfigMap& own,
                                const ConfigMap& before) {
    RETURN_IF_ERROR(check_names_and_values(topic_catalogue(), "topic", own));
    TopicConfig topic = TopicConfig::effective(broker, own);
    if (topic.min_compaction_lag_ms() > topic.max_compaction_lag_ms()) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("min.compaction.lag.ms={} is more than max.compaction.lag.ms={}",
                                topic.min_compaction_lag_ms(), topic.max_compaction_lag_ms()));
    }
    if (topic.remote_storage_enable()) return check_remote_storage(broker, topic);
    if (is_true(before, "remote.storage.enable") && !topic.remote_log_delete_on_disable()) {
        return fail(ErrorCode::invalid_config,
                    "remote.storage.enable=false would lose what is stored remotely: set "
                    "remote.log.delete.on.disable=true with it to delete that, or leave it true "
                    "and set remote.log.copy.disable=true to only read");
    }
    return {};
}

}  // namespace millrace::config
