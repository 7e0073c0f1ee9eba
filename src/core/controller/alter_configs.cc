#include "core/controller/alter_configs.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "config/alter.h"
#include "core/controller/config_changes.h"
#include "core/controller/standard_message.h"
#include "core/controller/state.h"
#include "core/controller/too_large.h"

namespace millrace::controller {
namespace {

using config::ResourceType;
using IncrementalResource = IncrementalAlterConfigsRequest::AlterConfigsResource;
using LegacyResource = AlterConfigsRequest::AlterConfigsResource;

auto bad_request(std::string message) {
    return fail(ErrorCode::invalid_request, std::move(message));
}

Result<> check_keys(const auto& configs) {
    std::set<std::string_view> names;
    for (const auto& config : configs) {
        if (!names.insert(config.name).second)
            return bad_request("Error due to duplicate config keys");
    }
    return {};
}

Result<> check_values(const auto& configs, auto may_be_null) {
    std::string nulls;
    for (const auto& config : configs) {
        if (!config.value && !may_be_null(config))
            nulls += (nulls.empty() ? "" : ", ") + config.name;
    }
    if (!nulls.empty()) return bad_request("Null value not supported for : " + nulls);
    return {};
}

Result<> check_operations(const IncrementalResource& resource) {
    RETURN_IF_ERROR(check_keys(resource.configs));
    for (const auto& config : resource.configs) {
        // As Apache, which is not prepared for it.
        if (config.config_operation < 0 || config.config_operation > 3)
            return fail(ErrorCode::unknown_server_error);
    }
    constexpr auto removes = static_cast<std::int8_t>(config::AlterOp::remove);
    return check_values(resource.configs,
                        [](const auto& config) { return config.config_operation == removes; });
}

bool is_alterable(std::int8_t type) {
    switch (static_cast<ResourceType>(type)) {
        case ResourceType::topic:
        case ResourceType::broker:
        case ResourceType::client_metrics:
        case ResourceType::group:
            return true;
        default:
            return false;
    }
}

ErrorCode authorization_error(ResourceType type) {
    if (type == ResourceType::topic) return ErrorCode::topic_authorization_failed;
    if (type == ResourceType::group) return ErrorCode::group_authorization_failed;
    return ErrorCode::cluster_authorization_failed;
}

// Calls name(operation's config, what it then holds) for each of the resource's operations.
Result<> each_operation(const config::ConfigMap& current, const IncrementalResource& resource,
                        auto name) {
    auto type = static_cast<ResourceType>(resource.resource_type);
    for (const auto& config : resource.configs) {
        auto at = current.find(config.name);
        std::optional<std::string_view> now;
        if (at != current.end()) now = at->second;
        std::optional<std::string_view> operand;
        if (config.value) operand = *config.value;
        ASSIGN_OR_RETURN(
            std::optional<std::string> value,
            config::alter(type, config.name, static_cast<config::AlterOp>(config.config_operation),
                          now, operand));
        name(config.name, std::move(value));
    }
    return {};
}

Result<metadata::Records> change(const State& state, const IncrementalResource& resource) {
    RETURN_IF_ERROR(check_operations(resource));
    ConfigChanges changes(
        state, {static_cast<ResourceType>(resource.resource_type), resource.resource_name});
    RETURN_IF_ERROR(each_operation(changes.before(), resource,
                                   [&](const std::string& name, std::optional<std::string> value) {
                                       changes.set(name, std::move(value));
                                   }));
    return changes.records(ConfigChanges::Resource::existing);
}

Result<metadata::Records> change(const State& state, const LegacyResource& resource) {
    RETURN_IF_ERROR(check_keys(resource.configs));
    RETURN_IF_ERROR(check_values(resource.configs, [](const auto&) { return false; }));
    ConfigChanges changes(
        state, {static_cast<ResourceType>(resource.resource_type), resource.resource_name});
    for (const auto& config : resource.configs) changes.set(config.name, config.value);
    changes.remove_others();
    return changes.records(ConfigChanges::Resource::existing);
}

Result<metadata::Records> change_checked(const State& state, const auto& resource,
                                         const ConfigPermit& may_alter, bool twice) {
    if (twice) return bad_request("Each resource must appear at most once.");
    if (!is_alterable(resource.resource_type))
        return bad_request(fmt::format("Unknown resource type {}", resource.resource_type));
    auto type = static_cast<ResourceType>(resource.resource_type);
    if (may_alter && !may_alter({type, resource.resource_name}))
        return fail(standard_error(authorization_error(type)));
    return change(state, resource);
}

template <typename Response, typename Request>
Decision<Response> decide_all(const Request& request, const ConfigPermit& may_alter,
                              const State& state) {
    std::map<std::pair<std::int8_t, std::string>, int> times;
    for (const auto& resource : request.resources)
        ++times[{resource.resource_type, resource.resource_name}];

    Decision<Response> decision;
    for (const auto& resource : request.resources) {
        bool twice = times[{resource.resource_type, resource.resource_name}] > 1;
        auto records = change_checked(state, resource, may_alter, twice);
        auto& answer = decision.response.responses.emplace_back();
        answer.resource_type = resource.resource_type;
        answer.resource_name = resource.resource_name;
        answer.error_message = std::nullopt;
        if (records) {
            std::ranges::move(*records, std::back_inserter(decision.records));
        } else {
            answer.error_code = records.error().code;
            if (!records.error().message.empty()) answer.error_message = records.error().message;
        }
    }
    append_clear_elr(state, decision.records);
    refuse_if_too_large(decision, decision.response.responses);
    if (request.validate_only) decision.records.clear();
    return decision;
}

}  // namespace

Decision<IncrementalAlterConfigsResponse> decide(const IncrementalAlterConfigs& command,
                                                 const State& state, Inputs) {
    return decide_all<IncrementalAlterConfigsResponse>(command.request, command.may_alter, state);
}

Decision<AlterConfigsResponse> decide(const AlterConfigs& command, const State& state, Inputs) {
    return decide_all<AlterConfigsResponse>(command.request, command.may_alter, state);
}

Result<config::ConfigMap> altered(const config::ConfigMap& current,
                                  const IncrementalResource& resource) {
    RETURN_IF_ERROR(check_operations(resource));
    config::ConfigMap next = current;
    RETURN_IF_ERROR(each_operation(current, resource,
                                   [&](const std::string& name, std::optional<std::string> value) {
                                       if (value) {
                                           next.insert_or_assign(name, *std::move(value));
                                       } else {
                                           next.erase(name);
                                       }
                                   }));
    return next;
}

}  // namespace millrace::controller
