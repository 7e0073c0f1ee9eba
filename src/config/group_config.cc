#include "config/group_config.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/check.h"
#include "config/broker_config.h"
#include "config/supplied.h"

namespace millrace::config {
namespace {

// A bound of a group's value; none where the broker has none.
const std::int64_t* bound(const BrokerConfig& broker, std::string_view key) {
    if (key.empty()) return nullptr;
    const Value* value = broker.find(key);
    CHECK(value != nullptr);
    return std::get_if<std::int64_t>(value);
}

void keep_within_bounds(const Definition& definition, const BrokerConfig& broker, Value& value) {
    auto* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr) return;
    if (const auto* least = bound(broker, definition.broker_min)) {
        *number = std::max(*number, *least);
    }
    if (const auto* most = bound(broker, definition.broker_max)) {
        *number = std::min(*number, *most);
    }
}

Result<> check_bounds(const BrokerConfig& broker, const ConfigMap& own) {
    for (const auto& [name, text] : own) {
        const Definition& definition = *group_catalogue().find(name);
        auto value = parse_value(definition, text);
        const auto* number = std::get_if<std::int64_t>(&*value);
        const auto* least = bound(broker, definition.broker_min);
        const auto* most = bound(broker, definition.broker_max);
        if (number != nullptr && least != nullptr && *number < *least) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("{}={} is less than the broker's {}={}", name, *number,
                                    definition.broker_min, *least));
        }
        if (number != nullptr && most != nullptr && *number > *most) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("{}={} is more than the broker's {}={}", name, *number,
                                    definition.broker_max, *most));
        }
    }
    return {};
}

Result<> check_session(std::string_view kind, std::int32_t session, std::int32_t heartbeat) {
    if (session > heartbeat) return {};
    return fail(ErrorCode::invalid_config,
                fmt::format("{0}.session.timeout.ms={1} is not more than "
                            "{0}.heartbeat.interval.ms={2}",
                            kind, session, heartbeat));
}

}  // namespace

GroupConfig GroupConfig::effective(const BrokerConfig& broker, const ConfigMap& own) {
    std::vector<Value> values = supplied_values(group_catalogue(), broker, own);
    for (std::size_t i = 0; i < values.size(); ++i) {
        keep_within_bounds(group_catalogue().all()[i], broker, values[i]);
    }
    return GroupConfig(std::move(values));
}

Result<> validate_group_configs(const BrokerConfig& broker, const ConfigMap& own) {
    RETURN_IF_ERROR(check_names_and_values(group_catalogue(), "group", own));
    RETURN_IF_ERROR(check_bounds(broker, own));
    GroupConfig group = GroupConfig::effective(broker, own);
    RETURN_IF_ERROR(check_session("consumer", group.consumer_session_timeout_ms(),
                                  group.consumer_heartbeat_interval_ms()));
    RETURN_IF_ERROR(check_session("share", group.share_session_timeout_ms(),
                                  group.share_heartbeat_interval_ms()));
    return check_session("streams", group.streams_session_timeout_ms(),
                         group.streams_heartbeat_interval_ms());
}

ClientMetricsConfig ClientMetricsConfig::effective(const ConfigMap& own) {
    std::vector<Value> values;
    for (const Definition& definition : client_metrics_catalogue().all()) {
        auto at = own.find(definition.name);
        auto value = at == own.end()
                         ? default_value(definition)
                         : parse_value(definition, at->second).value_or(default_value(definition));
        values.push_back(std::move(value));
    }
    return ClientMetricsConfig(std::move(values));
}

Result<> validate_client_metrics_configs(const ConfigMap& own) {
    for (const auto& [name, text] : own) {
        const Definition* definition = client_metrics_catalogue().find(name);
        if (definition == nullptr) {
            return fail(ErrorCode::invalid_request,
                        fmt::format("Unknown client metrics configuration: {}{}", name,
                                    suggestion(client_metrics_catalogue(), name)));
        }
        auto value = parse_value(*definition, text);
        if (value) continue;
        // Kafka tells an interval that is a number, but out of range, by another code.
        Definition without_range = *definition;
        without_range.valid = {};
        bool out_of_range =
            definition->valid.form == Form::range && parse_value(without_range, text).has_value();
        return fail(out_of_range ? ErrorCode::invalid_request : ErrorCode::invalid_config,
                    value.error().message);
    }
    return {};
}

}  // namespace millrace::config
