#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/assignments.h"
#include "broker/broker_shard.h"
#include "broker/checkpoints.h"
#include "broker/cleaner/log_cleaner.h"
#include "broker/cluster_metrics.h"
#include "broker/connection_rates.h"
#include "broker/controller_channel.h"
#include "broker/directory_failures.h"
#include "broker/lifecycle.h"
#include "broker/log_directory_metrics.h"
#include "broker/metadata_publisher.h"
#include "broker/node_logs.h"
#include "broker/replica_moves.h"
#include "broker/replication_quota.h"
#include "broker/tls_listeners.h"

namespace millrace::broker {

// What a node serves, over all shards of the process: as a broker, as a controller, or as both. A
// node that is only a controller has no partitions and is no broker of the cluster. Made and used
// on shard 0.
class Broker {
  public:
    // What it works with; all of it lives longer.
    struct Parts {
        LogDirectories& directories;
        quorum::MetadataQuorum& quorum;
        storage::remote::ObjectStore* store = nullptr;  // of tiered storage; null: there is none
        WorkMeter::Clock clock;  // for quotas on the shards' time; none: that of the shards
        ConnectionRates::Resolve resolve;
    };
    // `end_node`: the node cannot go on, for this reason.
    Broker(env::Shard& shard, Node node, config::BrokerConfig config, Parts parts,
           std::function<void(Error)> end_node);
    ~Broker();

    // Listens for controllers, opens the logs once the metadata is known, registers, and ends when
    // clients are served.
    Task<Result<>> start();
    // Answers what has arrived and closes every log cleanly; first, where there is a controller to
    // hear it, hands over (controlled shutdown).
    Task<Result<>> stop(bool hand_over);
    // The addresses that are listened on, with the ports that the OS chose.
    const std::vector<std::unique_ptr<net::ListenerInfo>>& listeners() const { return listeners_; }
    const Node& node() const { return node_; }
    // The figures of all shards, put together; during the start, too.
    Task<metrics::Snapshot> metrics();

  private:
    Task<void> make_shards();
    Task<void> register_controller();
    Task<Result<>> close_logs();
    Task<void> destroy_shards();
    void make_parts();
    Task<Result<>> follow_cluster();
    Task<Result<>> start_broker();
    Task<Result<>> open_partitions();
    Task<Result<>> start_tls();
    Task<Result<>> listen(const std::vector<config::Endpoint>& endpoints, bool for_controllers);
    Task<Result<>> listen_on(net::ListenerInfo& info);
    Task<void> follow_metadata();
    void assign_directories();
    Task<void> begin_replication();
    Task<void> begin_upkeep();
    Result<> begin_remote_storage();
    ShardFront& front() { return *fronts_.front(); }
    // With the ports that the OS chose.
    std::vector<config::Endpoint> told(std::vector<config::Endpoint> advertised) const;
    // Runs `function(shard id) -> Task<void>` on every shard at once.
    template <typename Function>
    Task<void> on_all(Function function);

    env::Shard& shard_;
    Node node_;
    config::BrokerConfig config_;
    LogDirectories& directories_;
    quorum::MetadataQuorum& quorum_;
    std::function<void(Error)> end_node_;
    storage::remote::ObjectStore* store_;
    ReplicationQuotas replication_quotas_;
    RemoteQuotas remote_quotas_;
    std::optional<RemoteIndexes> remote_indexes_;
    WorkMeter::Clock clock_;
    ConnectionRates::Resolve resolve_;
    net::ConnectionCounts connections_;
    std::atomic<std::size_t> share_sessions_ = 0;
    std::unique_ptr<ConnectionRates> connection_rates_;
    ControllerChannel channel_;
    std::vector<std::unique_ptr<ShardState>> states_;
    std::vector<std::unique_ptr<ShardFront>> fronts_;
    std::vector<std::unique_ptr<net::ListenerInfo>> listeners_;
    std::unique_ptr<NodeLogs> logs_;
    bool logs_opened_ = false;
    std::unique_ptr<MetadataPublisher> publisher_;
    std::unique_ptr<TlsListeners> tls_;
    std::unique_ptr<Checkpoints> checkpoints_;
    std::unique_ptr<LogCleaner> cleaner_;
    std::unique_ptr<ReplicaMoves> moves_;
    std::unique_ptr<Lifecycle> lifecycle_;
    std::unique_ptr<DirectoryFailures> failures_;
    std::unique_ptr<Assignments> assignments_;
    std::unique_ptr<ClusterMetrics> cluster_metrics_;
    std::unique_ptr<LogDirectoryMetrics> directory_metrics_;
    Scope scope_;
};

}  // namespace millrace::broker
