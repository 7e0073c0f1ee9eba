#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/broker_shard.h"
#include "broker/checkpoints.h"
#include "broker/cluster_metrics.h"
#include "broker/lifecycle.h"
#include "broker/metadata_publisher.h"

namespace millrace::broker {

// A node's broker, over all shards of the process. Made and used on shard 0.
class Broker {
  public:
    Broker(env::Shard& shard, Node node, config::BrokerConfig config, LogDirectories& directories,
           quorum::MetadataQuorum& quorum);
    ~Broker();

    // Opens the logs, listens, registers, and ends when clients are served.
    Task<Result<>> start();
    // Controlled shutdown: hands over, answers what has arrived, closes every log cleanly.
    Task<Result<>> stop();
    // The addresses that are listened on, with the ports that the OS chose.
    const std::vector<std::unique_ptr<net::ListenerInfo>>& listeners() const { return listeners_; }
    const Node& node() const { return node_; }
    // The figures of all shards, put together.
    Task<metrics::Snapshot> metrics();

  private:
    Task<void> make_shards();
    Task<void> destroy_shards();
    Task<Result<>> open_partitions();
    Task<Result<>> listen();
    Task<Result<>> listen_on(net::ListenerInfo& info);
    Task<void> follow_metadata();
    Task<void> tidy();
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
    net::ConnectionCounts connections_;
    std::vector<std::unique_ptr<ShardState>> states_;
    std::vector<std::unique_ptr<ShardFront>> fronts_;
    std::vector<std::unique_ptr<net::ListenerInfo>> listeners_;
    std::unique_ptr<MetadataPublisher> publisher_;
    std::unique_ptr<Checkpoints> checkpoints_;
    std::unique_ptr<Lifecycle> lifecycle_;
    std::unique_ptr<ClusterMetrics> cluster_metrics_;
    Scope scope_;
};

}  // namespace millrace::broker
