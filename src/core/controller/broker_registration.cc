#include "core/controller/broker_registration.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string>
#include <utility>

#include "core/controller/elections.h"
#include "core/controller/sessions.h"
#include "core/controller/state.h"
#include "core/metadata/features.h"

namespace millrace::controller {
namespace {

using metadata::FeatureLevels;
using metadata::VersionRange;

FeatureLevels finalized_features(const State& state) {
    FeatureLevels levels = state.image().features.levels;
    levels.emplace(metadata::metadata_version_feature, state.metadata_version().level());
    if (std::int16_t kraft = state.settings().kraft_version; kraft > 0)
        levels.emplace(metadata::kraft_version_feature, kraft);
    return levels;
}

Result<> check_range(std::string_view feature, std::int16_t finalized, VersionRange range) {
    if (range.contains(finalized)) return {};
    return fail(ErrorCode::unsupported_version,
                fmt::format("Unable to register because the broker does not support finalized "
                            "version {} of {}. The broker wants a version between {} and {}, "
                            "inclusive.",
                            finalized, feature, range.min, range.max));
}

Result<> check_features(const BrokerRegistrationRequest& request, FeatureLevels finalized) {
    bool says_metadata_version = false;
    for (const auto& feature : request.features) {
        auto at = finalized.find(feature.name);
        RETURN_IF_ERROR(
            check_range(feature.name, at == finalized.end() ? std::int16_t{0} : at->second,
                        {feature.min_supported_version, feature.max_supported_version}));
        says_metadata_version |= feature.name == metadata::metadata_version_feature;
        if (at != finalized.end()) finalized.erase(at);
    }
    if (!says_metadata_version) {
        return fail(ErrorCode::invalid_registration,
                    "Request features do not contain 'metadata.version'");
    }
    for (const auto& [name, level] : finalized) RETURN_IF_ERROR(check_range(name, level, {}));
    return {};
}

Result<> check_directories(const BrokerRegistrationRequest& request, const State& state) {
    auto refuse = [](std::string message) {
        return fail(ErrorCode::invalid_registration, std::move(message));
    };
    if (!state.metadata_version().supports_directories()) return {};
    if (request.log_dirs.empty()) return refuse("No directories specified in request");
    if (std::ranges::any_of(request.log_dirs, metadata::is_reserved_directory))
        return refuse("Reserved directory ID in request");
    std::set<Uuid> distinct(request.log_dirs.begin(), request.log_dirs.end());
    if (distinct.size() != request.log_dirs.size())
        return refuse("Duplicate directory ID in request");
    for (const Uuid& id : request.log_dirs) {
        std::optional<std::int32_t> owner = state.owner_of(id);
        if (owner && *owner != request.broker_id) {
            return refuse(fmt::format("Broker {} is already registered with directory {}", *owner,
                                      id.to_string()));
        }
    }
    return {};
}

Result<> check(const BrokerRegistrationRequest& request, const State& state, const Inputs& in) {
    const std::string& cluster_id = state.settings().cluster_id;
    if (request.cluster_id != cluster_id) {
        return fail(ErrorCode::inconsistent_cluster_id,
                    fmt::format("Expected cluster ID {}, but got cluster ID {}", cluster_id,
                                request.cluster_id));
    }
    const metadata::Broker* existing = state.broker(request.broker_id);
    if (existing != nullptr && existing->incarnation != request.incarnation_id &&
        in.sessions.is_valid(request.broker_id, existing->epoch, in.now)) {
        return fail(ErrorCode::duplicate_broker_registration,
                    "Another broker is registered with that broker id. If the broker was recently "
                    "restarted this should self-resolve once the heartbeat manager expires the "
                    "broker's session.");
    }
    if (request.is_migrating_zk_broker) {
        return fail(ErrorCode::broker_id_not_registered,
                    "Controller does not support registering ZK brokers.");
    }
    RETURN_IF_ERROR(check_directories(request, state));
    for (const auto& listener : request.listeners) {
        if (listener.security_protocol < 0 || listener.security_protocol > 3) {
            return fail(ErrorCode::invalid_registration,
                        fmt::format("Unknown security protocol {} in listener {}",
                                    listener.security_protocol, listener.name));
        }
    }
    return check_features(request, finalized_features(state));
}

template <typename Endpoint>
std::vector<Endpoint> endpoints_of(const auto& listeners) {
    std::vector<Endpoint> endpoints;
    for (const auto& listener : listeners) {
        Endpoint endpoint;
        endpoint.name = listener.name;
        endpoint.host = listener.host;
        endpoint.port = listener.port;
        endpoint.security_protocol = listener.security_protocol;
        endpoints.push_back(std::move(endpoint));
    }
    return endpoints;
}

template <typename Supported>
std::vector<Supported> features_of(const auto& features) {
    std::vector<Supported> supported;
    for (const auto& feature : features) {
        Supported range;
        range.name = feature.name;
        range.min_supported_version = feature.min_supported_version;
        range.max_supported_version = feature.max_supported_version;
        supported.push_back(std::move(range));
    }
    return supported;
}

RegisterBrokerRecord record_of(const BrokerRegistrationRequest& request, const State& state) {
    RegisterBrokerRecord record;
    record.broker_id = request.broker_id;
    record.incarnation_id = request.incarnation_id;
    record.rack = request.rack;
    record.end_points = endpoints_of<RegisterBrokerRecord::BrokerEndpoint>(request.listeners);
    record.features = features_of<RegisterBrokerRecord::BrokerFeature>(request.features);
    if (state.metadata_version().supports_directories()) record.log_dirs = request.log_dirs;
    return record;
}

}  // namespace

Decision<BrokerRegistrationResponse> decide(const RegisterBroker& command, const State& state,
                                            Inputs in) {
    const BrokerRegistrationRequest& request = command.request;
    Decision<BrokerRegistrationResponse> decision{.records = {}, .response = {}, .atomic = false};
    if (Result<> checked = check(request, state, in); !checked) {
        decision.response.error_code = checked.error().code;
        return decision;
    }
    RegisterBrokerRecord record = record_of(request, state);
    const metadata::Broker* existing = state.broker(request.broker_id);
    if (existing != nullptr && existing->incarnation == request.incarnation_id) {
        record.fenced = existing->fenced;
        record.in_controlled_shutdown = existing->in_controlled_shutdown;
        record.broker_epoch = existing->epoch;
    } else {
        bool clean = command.version >= 3 && existing != nullptr &&
                     existing->epoch == request.previous_broker_epoch;
        append_restart(state, request.broker_id, clean, decision.records);
        record.broker_epoch = state.next_offset();
        in.sessions.forget(request.broker_id);
    }
    decision.response.broker_epoch = record.broker_epoch;
    decision.records.push_back(
        {std::move(record), state.metadata_version().register_broker_record()});
    return decision;
}

Decision<UnregisterBrokerResponse> decide(const UnregisterBroker& command, const State& state,
                                          Inputs in) {
    std::int32_t id = command.request.broker_id;
    Decision<UnregisterBrokerResponse> decision{.records = {}, .response = {}, .atomic = false};
    if (state.broker(id) == nullptr) {
        decision.response.error_code = ErrorCode::broker_id_not_registered;
        decision.response.error_message =
            fmt::format("Broker ID {} is not currently registered", id);
        return decision;
    }
    append_unregister(state, id, decision.records);
    in.sessions.forget(id);
    return decision;
}

Decision<ControllerRegistrationResponse> decide(const RegisterController& command,
                                                const State& state, Inputs) {
    const ControllerRegistrationRequest& request = command.request;
    Decision<ControllerRegistrationResponse> decision;
    if (!state.metadata_version().supports_controller_registration()) {
        decision.response.error_code = ErrorCode::unsupported_version;
        decision.response.error_message =
            "The current MetadataVersion is too old to support controller registrations.";
        return decision;
    }
    for (const auto& listener : request.listeners) {
        if (listener.security_protocol < 0 || listener.security_protocol > 3) {
            decision.response.error_code = ErrorCode::invalid_registration;
            decision.response.error_message =
                fmt::format("Unknown security protocol {} in listener {}",
                            listener.security_protocol, listener.name);
            return decision;
        }
    }
    RegisterControllerRecord record;
    record.controller_id = request.controller_id;
    record.incarnation_id = request.incarnation_id;
    record.end_points =
        endpoints_of<RegisterControllerRecord::ControllerEndpoint>(request.listeners);
    record.features = features_of<RegisterControllerRecord::ControllerFeature>(request.features);
    decision.records.push_back({std::move(record), 0});
    return decision;
}

}  // namespace millrace::controller
