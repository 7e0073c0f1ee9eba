#pragma once

#include <type_traits>

#include "broker/node.h"

namespace millrace {
namespace config {
class BrokerConfig;
}
namespace env {
class Shard;
}
namespace net {
struct TlsProfiles;
}
}  // namespace millrace

namespace millrace::broker {

class ClientQuotas;
class Controllers;
class FailureDetector;
class FetchSessions;
class Groups;
class LogDirectories;
class MetadataCache;
class PartitionRouter;
class ProducerIds;
class QuorumMember;
class ReplicaMoves;
struct ReplicationQuotas;
class ShareLeaders;
class SharePersister;
class ShareSessions;
class ShareStates;
class StreamsTopics;
class Transactions;

// What the handlers of one shard may ask for. A handler names the ones it needs as parameters.
struct Services {
    env::Shard& shard;
    const Node& node;
    const config::BrokerConfig& config;  // with the dynamic values of this moment
    MetadataCache& metadata;
    FetchSessions& fetch_sessions;
    PartitionRouter& partitions;
    Groups& groups;
    Transactions& transactions;
    ShareStates& share_states;
    SharePersister& share_persister;
    ShareLeaders& share_leaders;
    ShareSessions& share_sessions;
    StreamsTopics& streams_topics;
    Controllers& controllers;
    ProducerIds& producer_ids;
    QuorumMember& quorum_member;
    FailureDetector& failure_detector;
    LogDirectories& log_directories;
    ReplicaMoves& replica_moves;  // shard 0's
    ReplicationQuotas& replication_quotas;
    const net::TlsProfiles& tls_profiles;
    ClientQuotas& client_quotas;
};

template <typename T>
auto& service(Services& services) {
    if constexpr (std::is_same_v<T, env::Shard>) {
        return services.shard;
    } else if constexpr (std::is_same_v<T, Node>) {
        return services.node;
    } else if constexpr (std::is_same_v<T, config::BrokerConfig>) {
        return services.config;
    } else if constexpr (std::is_same_v<T, MetadataCache>) {
        return services.metadata;
    } else if constexpr (std::is_same_v<T, FetchSessions>) {
        return services.fetch_sessions;
    } else if constexpr (std::is_same_v<T, PartitionRouter>) {
        return services.partitions;
    } else if constexpr (std::is_same_v<T, Groups>) {
        return services.groups;
    } else if constexpr (std::is_same_v<T, Transactions>) {
        return services.transactions;
    } else if constexpr (std::is_same_v<T, ShareStates>) {
        return services.share_states;
    } else if constexpr (std::is_same_v<T, SharePersister>) {
        return services.share_persister;
    } else if constexpr (std::is_same_v<T, ShareLeaders>) {
        return services.share_leaders;
    } else if constexpr (std::is_same_v<T, ShareSessions>) {
        return services.share_sessions;
    } else if constexpr (std::is_same_v<T, StreamsTopics>) {
        return services.streams_topics;
    } else if constexpr (std::is_same_v<T, Controllers>) {
        return services.controllers;
    } else if constexpr (std::is_same_v<T, ProducerIds>) {
        return services.producer_ids;
    } else if constexpr (std::is_same_v<T, QuorumMember>) {
        return services.quorum_member;
    } else if constexpr (std::is_same_v<T, FailureDetector>) {
        return services.failure_detector;
    } else if constexpr (std::is_same_v<T, LogDirectories>) {
        return services.log_directories;
    } else if constexpr (std::is_same_v<T, ReplicationQuotas>) {
        return services.replication_quotas;
    } else if constexpr (std::is_same_v<T, net::TlsProfiles>) {
        return services.tls_profiles;
    } else if constexpr (std::is_same_v<T, ClientQuotas>) {
        return services.client_quotas;
    } else {
        static_assert(std::is_same_v<T, ReplicaMoves>, "no such service");
        return services.replica_moves;
    }
}

}  // namespace millrace::broker
