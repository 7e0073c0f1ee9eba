#include "core/metadata/node_texts.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

namespace millrace::metadata {
namespace {

// Names of codes (schema/enums.tsv); a code behind them is unknown to this version.
template <std::size_t size>
std::string_view name_of_code(const std::array<std::string_view, size>& names, std::int8_t code) {
    return code < 0 || static_cast<std::size_t>(code) >= size
               ? names[0]
               : names[static_cast<std::size_t>(code)];
}

constexpr std::array<std::string_view, 8> resource_types{
    "UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"};
constexpr std::array<std::string_view, 5> pattern_types{"UNKNOWN", "ANY", "MATCH", "LITERAL",
                                                        "PREFIXED"};
constexpr std::array<std::string_view, 16> operations{"UNKNOWN",
                                                      "ANY",
                                                      "ALL",
                                                      "READ",
                                                      "WRITE",
                                                      "CREATE",
                                                      "DELETE",
                                                      "ALTER",
                                                      "DESCRIBE",
                                                      "CLUSTER_ACTION",
                                                      "DESCRIBE_CONFIGS",
                                                      "ALTER_CONFIGS",
                                                      "IDEMPOTENT_WRITE",
                                                      "CREATE_TOKENS",
                                                      "DESCRIBE_TOKENS",
                                                      "TWO_PHASE_COMMIT"};
constexpr std::array<std::string_view, 4> permissions{"UNKNOWN", "ANY", "DENY", "ALLOW"};

std::string list_of(const BrokerIds& ids) { return fmt::format("[{}]", fmt::join(ids, ", ")); }

std::string list_of(const std::vector<Uuid>& ids) {
    std::vector<std::string> texts;
    for (const Uuid& id : ids) texts.push_back(id.to_string());
    return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string text_of(std::vector<config::Endpoint> endpoints) {
    std::ranges::sort(endpoints, {}, &config::Endpoint::listener);
    std::vector<std::string> texts;
    for (const config::Endpoint& each : endpoints) {
        texts.push_back(
            fmt::format("Endpoint(listenerName='{}', securityProtocol={}, host='{}', port={})",
                        each.listener, config::name_of(each.protocol), each.host, each.port));
    }
    return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string text_of(const SupportedFeatures& features) {
    std::vector<std::string> texts;
    for (const auto& [name, range] : features) {
        texts.push_back(range.min == range.max
                            ? fmt::format("{}: {}", name, range.min)
                            : fmt::format("{}: {}-{}", name, range.min, range.max));
    }
    return fmt::format("{{{}}}", fmt::join(texts, ", "));
}

std::string hex_of(std::string_view bytes) {
    std::string text;
    for (char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

}  // namespace

std::string text_of(const Broker& broker) {
    return fmt::format(
        "BrokerRegistration(id={}, epoch={}, incarnationId={}, listeners={}, supportedFeatures={}, "
        "rack={}, fenced={}, inControlledShutdown={}, isMigratingZkBroker={}, directories={}, "
        "cordonedDirectories={})",
        broker.id, broker.epoch, broker.incarnation.to_string(), text_of(broker.endpoints),
        text_of(broker.features),
        broker.rack ? fmt::format("Optional[{}]", *broker.rack) : "Optional.empty", broker.fenced,
        broker.in_controlled_shutdown, broker.migrating_from_zookeeper, list_of(broker.directories),
        broker.cordoned_directories ? list_of(*broker.cordoned_directories) : "null");
}

std::string text_of(const Controller& controller) {
    return fmt::format(
        "ControllerRegistration(id={}, incarnationId={}, zkMigrationReady={}, listeners={}, "
        "supportedFeatures={})",
        controller.id, controller.incarnation.to_string(), controller.zookeeper_migration_ready,
        text_of(controller.endpoints), text_of(controller.features));
}

std::string text_of(const Partition& partition) {
    return fmt::format(
        "PartitionRegistration(replicas={}, directories={}, isr={}, removingReplicas={}, "
        "addingReplicas={}, elr={}, lastKnownElr={}, leader={}, leaderRecoveryState={}, "
        "leaderEpoch={}, partitionEpoch={})",
        list_of(partition.replicas), list_of(partition.directories), list_of(partition.isr),
        list_of(partition.removing), list_of(partition.adding), list_of(partition.elr),
        list_of(partition.last_known_elr), partition.leader,
        partition.recovery == LeaderRecovery::recovering ? "RECOVERING" : "RECOVERED",
        partition.leader_epoch, partition.epoch);
}

std::string text_of(const Acl& acl) {
    return fmt::format(
        "StandardAcl[resourceType={}, resourceName={}, patternType={}, principal={}, host={}, "
        "operation={}, permissionType={}]",
        name_of_code(resource_types, acl.resource_type), acl.resource_name,
        name_of_code(pattern_types, acl.pattern_type), acl.principal, acl.host,
        name_of_code(operations, acl.operation), name_of_code(permissions, acl.permission));
}

std::string text_of(const ScramCredential& credential) {
    return fmt::format("ScramCredentialData(salt={}, storedKey={}, serverKey={}, iterations={})",
                       hex_of(credential.salt), hex_of(credential.stored_key),
                       hex_of(credential.server_key), credential.iterations);
}

std::string text_of(std::string_view id, const DelegationToken& token) {
    // The brackets are Apache's.
    return fmt::format(
        "DelegationTokenDatatokenId={}(owner={}(tokenRequester={}(renewers={}, issueTimestamp={}, "
        "maxTimestamp={}), expiryTimestamp={}",
        id, token.owner, token.requester, fmt::join(token.renewers, " "), token.issued, token.max,
        token.expires);
}

}  // namespace millrace::metadata
