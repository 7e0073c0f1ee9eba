#include "core/controller/config_changes.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <variant>

#include "config/group_config.h"
#include "config/topic_config.h"
#include "core/controller/state.h"
#include "core/metadata/topic_names.h"

namespace millrace::controller {
namespace {

using config::ResourceType;

constexpr std::string_view min_insync_replicas = "min.insync.replicas";
constexpr std::string_view cordoned_directories = "cordoned.log.dirs";

auto refuse(ErrorCode code, std::string message) { return fail(code, std::move(message)); }

std::optional<std::int32_t> number_of(std::string_view text) {
    std::int32_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Result<> check_broker_name(const std::string& name) {
    if (name.empty()) return {};
    std::optional<std::int32_t> id = number_of(name);
    if (!id) {
        return refuse(ErrorCode::invalid_request,
                      "Unable to parse broker name as a base 10 number.");
    }
    if (*id < 0) return refuse(ErrorCode::invalid_request, "Invalid negative broker ID.");
    return {};
}

}  // namespace

const config::ConfigMap& ConfigChanges::before() const {
    return state_.image().configs_of(resource_.type, resource_.name);
}

config::ConfigMap ConfigChanges::after() const {
    config::ConfigMap configs = before();
    for (const auto& [name, value] : changes_) {
        if (value) {
            configs.insert_or_assign(name, *value);
        } else {
            configs.erase(name);
        }
    }
    return configs;
}

void ConfigChanges::remove_others() {
    for (const auto& [name, value] : before()) {
        bool stays = std::ranges::any_of(
            changes_, [&](const Change& change) { return change.first == name; });
        if (!stays) set(name, std::nullopt);
    }
}

Result<metadata::Records> ConfigChanges::records(Resource existence) const {
    metadata::Records records;
    for (const Change& change : changes_) {
        const auto& [name, value] = change;
        auto current = before().find(name);
        bool same = value ? current != before().end() && current->second == *value
                          : current == before().end();
        // A broker acts on its own configs even when they are set to what they were.
        if (same && resource_.type != ResourceType::broker) continue;
        RETURN_IF_ERROR(check_change(change));
        ConfigRecord record;
        record.resource_type = static_cast<std::int8_t>(resource_.type);
        record.resource_name = resource_.name;
        record.name = name;
        record.value = value;
        records.push_back({std::move(record), 0});
    }
    RETURN_IF_ERROR(check_resource());
    if (existence == Resource::existing) RETURN_IF_ERROR(check_existence());
    return records;
}

Result<> ConfigChanges::check_change(const Change& change) const {
    const auto& [name, value] = change;
    bool of_brokers = resource_.type == ResourceType::broker;
    if (of_brokers && name == min_insync_replicas && state_.elr_enabled()) {
        if (!resource_.name.empty()) {
            return refuse(ErrorCode::invalid_config,
                          "Broker-level min.insync.replicas cannot be altered while ELR is "
                          "enabled.");
        }
        if (!value) {
            return refuse(ErrorCode::invalid_config,
                          "Cluster-level min.insync.replicas cannot be removed while ELR is "
                          "enabled.");
        }
    }
    if (of_brokers && name == cordoned_directories &&
        !state_.metadata_version().supports_cordoned_directories()) {
        return refuse(ErrorCode::invalid_config,
                      "The cordoned.log.dirs configuration value cannot be set because it requires "
                      "metadata.version >= 4.3-IV0");
    }
    constexpr std::size_t longest = std::numeric_limits<std::int16_t>::max();
    if (value && value->size() > longest) {
        return refuse(ErrorCode::invalid_config,
                      fmt::format("The configuration value cannot be added because it exceeds the "
                                  "maximum value size of {} bytes.",
                                  longest));
    }
    return {};
}

Result<> ConfigChanges::check_resource() const {
    const std::string& name = resource_.name;
    switch (resource_.type) {
        case ResourceType::topic:
            if (name.empty()) {
                return refuse(ErrorCode::invalid_request,
                              "Default topic resources are not allowed.");
            }
            RETURN_IF_ERROR(metadata::validate_topic_name(name));
            return config::validate_topic_configs(state_.config(), after(), before());
        case ResourceType::broker:
            return check_broker_name(name);
        case ResourceType::client_metrics:
            if (name.empty())
                return refuse(ErrorCode::invalid_request, "Subscription name can't be empty");
            return config::validate_client_metrics_configs(after());
        case ResourceType::group:
            if (name.empty()) {
                return refuse(ErrorCode::invalid_request,
                              "Default group resources are not allowed.");
            }
            return config::validate_group_configs(state_.config(), after());
        default:
            return refuse(
                ErrorCode::invalid_request,
                fmt::format("Unknown resource type {}", static_cast<std::int8_t>(resource_.type)));
    }
}

Result<> ConfigChanges::check_existence() const {
    const std::string& name = resource_.name;
    if (resource_.type == ResourceType::topic &&
        state_.image().topics.find(std::string_view(name)) == nullptr) {
        return refuse(ErrorCode::unknown_topic_or_partition,
                      fmt::format("The topic '{}' does not exist.", name));
    }
    if (resource_.type == ResourceType::broker && !name.empty()) {
        std::int32_t id = number_of(name).value_or(-1);
        const std::vector<std::int32_t>& quorum = state_.settings().quorum;
        if (state_.broker(id) == nullptr && state_.image().controllers.find(id) == nullptr &&
            std::ranges::find(quorum, id) == quorum.end()) {
            return refuse(ErrorCode::broker_id_not_registered,
                          fmt::format("No node with id {} found.", id));
        }
    }
    return {};
}

void append_clear_elr(const State& state, metadata::Records& records) {
    if (!state.elr_enabled()) return;
    metadata::Records cleared;
    for (const metadata::VersionedRecord& record : records) {
        const auto* config = std::get_if<ConfigRecord>(&record.message);
        if (config == nullptr || config->name != min_insync_replicas) continue;
        ClearElrRecord clear;
        if (config->resource_type == static_cast<std::int8_t>(ResourceType::topic))
            clear.topic_name = config->resource_name;
        cleared.push_back({std::move(clear), 0});
    }
    std::ranges::move(cleared, std::back_inserter(records));
}

}  // namespace millrace::controller
