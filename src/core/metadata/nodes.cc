#include "core/metadata/nodes.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "core/metadata/partition.h"
#include "protocol/broker_registration_change_record.h"
#include "protocol/register_broker_record.h"
#include "protocol/register_controller_record.h"

namespace millrace::metadata {
namespace {

Result<config::Endpoint> endpoint_from(const auto& listener) {
    if (listener.security_protocol < 0 || listener.security_protocol > 3) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("Unknown security protocol {} in listener {}",
                                listener.security_protocol, listener.name));
    }
    return config::Endpoint{
        .listener = listener.name,
        .host = listener.host,
        .port = listener.port,
        .protocol = static_cast<config::SecurityProtocol>(listener.security_protocol)};
}

Result<std::vector<config::Endpoint>> endpoints_from(const auto& listeners) {
    std::vector<config::Endpoint> endpoints;
    for (const auto& listener : listeners) {
        ASSIGN_OR_RETURN(config::Endpoint endpoint, endpoint_from(listener));
        endpoints.push_back(std::move(endpoint));
    }
    return endpoints;
}

SupportedFeatures features_from(const auto& features) {
    SupportedFeatures supported;
    for (const auto& feature : features) {
        supported.insert_or_assign(feature.name, VersionRange{feature.min_supported_version,
                                                              feature.max_supported_version});
    }
    return supported;
}

const config::Endpoint* find_endpoint(const std::vector<config::Endpoint>& endpoints,
                                      std::string_view listener) {
    auto at = std::ranges::find(endpoints, listener, &config::Endpoint::listener);
    return at == endpoints.end() ? nullptr : &*at;
}

std::vector<Uuid> in_order(std::vector<Uuid> directories) {
    std::ranges::sort(directories, directory_before);
    return directories;
}

}  // namespace

bool directory_before(const Uuid& a, const Uuid& b) {
    auto numbers = [](const Uuid& id) {
        return std::pair(static_cast<std::int64_t>(id.high), static_cast<std::int64_t>(id.low));
    };
    return numbers(a) < numbers(b);
}

const config::Endpoint* Broker::endpoint(std::string_view listener) const {
    return find_endpoint(endpoints, listener);
}

const config::Endpoint* Controller::endpoint(std::string_view listener) const {
    return find_endpoint(endpoints, listener);
}

bool Broker::has_online_directory(const Uuid& directory) const {
    if (directory == unassigned_directory || directory == migrating_directory) return true;
    if (directory == lost_directory) return false;
    // Registered before directories were known.
    return directories.empty() || std::ranges::find(directories, directory) != directories.end();
}

bool Broker::has_uncordoned_directory() const {
    if (directories.empty() || !cordoned_directories) return true;
    return std::ranges::any_of(directories, [&](const Uuid& directory) {
        return std::ranges::find(*cordoned_directories, directory) == cordoned_directories->end();
    });
}

Uuid Broker::default_directory() const {
    if (directories.empty()) return migrating_directory;
    return directories.size() == 1 ? directories[0] : unassigned_directory;
}

Result<Broker> Broker::from(const RegisterBrokerRecord& record) {
    Broker broker;
    ASSIGN_OR_RETURN(broker.endpoints, endpoints_from(record.end_points));
    broker.id = record.broker_id;
    broker.epoch = record.broker_epoch;
    broker.incarnation = record.incarnation_id;
    broker.features = features_from(record.features);
    broker.rack = record.rack;
    broker.fenced = record.fenced;
    broker.in_controlled_shutdown = record.in_controlled_shutdown;
    broker.migrating_from_zookeeper = record.is_migrating_zk_broker;
    broker.directories = in_order(record.log_dirs);
    broker.cordoned_directories = record.cordoned_log_dirs;
    return broker;
}

Result<Broker> Broker::changed_by(const BrokerRegistrationChangeRecord& record) const {
    if (record.fenced < -1 || record.fenced > 1) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("fencing change {} is not -1, 0 or 1", record.fenced));
    }
    if (record.in_controlled_shutdown < 0 || record.in_controlled_shutdown > 1) {
        return fail(ErrorCode::invalid_record, fmt::format("controlled shutdown change {} is not "
                                                           "0 or 1",
                                                           record.in_controlled_shutdown));
    }
    Broker next = *this;
    if (record.fenced != 0) next.fenced = record.fenced == 1;
    if (record.in_controlled_shutdown == 1) next.in_controlled_shutdown = true;
    if (!record.log_dirs.empty()) next.directories = in_order(record.log_dirs);
    if (record.cordoned_log_dirs) next.cordoned_directories = record.cordoned_log_dirs;
    return next;
}

Result<Controller> Controller::from(const RegisterControllerRecord& record) {
    Controller controller;
    ASSIGN_OR_RETURN(controller.endpoints, endpoints_from(record.end_points));
    controller.id = record.controller_id;
    controller.incarnation = record.incarnation_id;
    controller.zookeeper_migration_ready = record.zk_migration_ready;
    controller.features = features_from(record.features);
    return controller;
}

}  // namespace millrace::metadata
