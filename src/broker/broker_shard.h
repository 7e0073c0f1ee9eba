#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "broker/client_quotas.h"
#include "broker/client_rates.h"
#include "broker/controllers.h"
#include "broker/coordinators/group_hosts.h"
#include "broker/coordinators/share_hosts.h"
#include "broker/coordinators/transaction_hosts.h"
#include "broker/dispatcher.h"
#include "broker/failure_detector.h"
#include "broker/fetch_sessions.h"
#include "broker/fetchers/replica_fetchers.h"
#include "broker/groups.h"
#include "broker/log_directories.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "broker/partitions/isr_changes.h"
#include "broker/partitions/upkeep.h"
#include "broker/producer_ids.h"
#include "broker/quorum_member.h"
#include "broker/remote/remote_storage.h"
#include "broker/services.h"
#include "broker/share/share_leaders.h"
#include "broker/share/share_sessions.h"
#include "broker/share_states.h"
#include "broker/streams_topics.h"
#include "broker/transaction_joins.h"
#include "broker/transactions.h"
#include "config/broker_config.h"
#include "metrics/registry.h"
#include "net/server.h"

namespace millrace::broker {

// What one shard owns, before it knows of the others. Made, used and destroyed on its own thread.
struct ShardState {
    ShardState(env::Shard& shard, const Node& node, const config::BrokerConfig& config);

    env::Shard& shard;
    config::BrokerConfig config;
    metrics::Registry metrics;
    ClientRates client_rates;
    net::TlsProfiles tls_profiles;
    MetadataCache metadata;
    Partitions partitions;
    Upkeep upkeep;
    GroupHosts groups;
    TransactionHosts transactions;
    ShareHosts share_states;
    SharePartitions share_partitions;
};

// What the connections of one shard need: its own state, and the ways to the others'.
struct ShardFront {
    struct Shared {
        const Node& node;
        LogDirectories& directories;
        ReplicaMoves& moves;
        ReplicationQuotas& replication_quotas;
        quorum::MetadataQuorum& quorum;
        ControllerChannel& channel;
        net::ConnectionCounts& connections;
        std::atomic<std::size_t>& share_sessions;  // on all shards
        std::vector<Partitions*> partitions;
        std::vector<GroupHosts*> groups;
        std::vector<TransactionHosts*> transactions;
        std::vector<ClientRates*> client_rates;
        WorkMeter::Clock clock;
        std::vector<ShareHosts*> share_states;
        std::vector<SharePartitions*> share_partitions;
        std::optional<RemoteStorage::Node> remote;
    };
    ShardFront(ShardState& state, const Shared& shared);

    PartitionRouter router;
    FetchSessions fetch_sessions;
    Groups groups;
    Transactions transactions;
    Controllers controllers;
    ProducerIds producer_ids;
    ShareStates share_states;
    SharePersister share_persister;
    ShareLeaders share_leaders;
    ShareSessions share_sessions;
    StreamsTopics streams_topics;
    TransactionJoins joins;
    TransactionMarkers markers;
    ReplicationMetrics replication_metrics;
    IsrChanges isr_changes;
    ReplicaFetchers fetchers;
    QuorumMember quorum_member;
    FailureDetector failure_detector;
    std::optional<RemoteStorage> remote;
    ClientQuotas client_quotas;
    Services services;
    Dispatcher dispatcher;
    net::Server server;
};

}  // namespace millrace::broker
