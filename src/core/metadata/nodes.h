#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "config/endpoints.h"
#include "core/metadata/features.h"

namespace millrace {
struct RegisterBrokerRecord;
struct RegisterControllerRecord;
struct BrokerRegistrationChangeRecord;
}  // namespace millrace

namespace millrace::metadata {

// A broker's registration.
struct Broker {
    std::int32_t id = -1;
    std::int64_t epoch = -1;  // the offset of its registration
    Uuid incarnation;         // new with every start of the process
    std::vector<config::Endpoint> endpoints;
    SupportedFeatures features;
    std::optional<std::string> rack;
    bool fenced = true;
    bool in_controlled_shutdown = false;
    bool migrating_from_zookeeper = false;
    std::vector<Uuid> directories;  // online ones, in the order Apache keeps them
    std::optional<std::vector<Uuid>> cordoned_directories;

    bool operator==(const Broker&) const = default;

    // May lead partitions and join ISRs.
    bool is_active() const { return !fenced && !in_controlled_shutdown; }
    // nullptr when it is not advertised on this listener.
    const config::Endpoint* endpoint(std::string_view listener) const;
    // Ids that stand for no directory count as online, except lost_directory.
    bool has_online_directory(const Uuid& directory) const;
    // New replicas may be placed on it.
    bool has_uncordoned_directory() const;
    // Where its new replicas go when there is no choice, or else an id that says so.
    Uuid default_directory() const;

    // Error invalid_record for an unknown security protocol.
    static Result<Broker> from(const RegisterBrokerRecord& record);
    // Error invalid_record for codes that mean nothing.
    Result<Broker> changed_by(const BrokerRegistrationChangeRecord& record) const;
};

// A controller's registration (KIP-919).
struct Controller {
    std::int32_t id = -1;
    Uuid incarnation;
    bool zookeeper_migration_ready = false;
    std::vector<config::Endpoint> endpoints;
    SupportedFeatures features;

    bool operator==(const Controller&) const = default;
    const config::Endpoint* endpoint(std::string_view listener) const;

    static Result<Controller> from(const RegisterControllerRecord& record);
};

// The order of ids that Apache keeps directories in: as pairs of signed numbers.
bool directory_before(const Uuid& a, const Uuid& b);

}  // namespace millrace::metadata
