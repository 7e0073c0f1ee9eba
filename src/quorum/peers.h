#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/task.h"
#include "base/time.h"
#include "client/connection_pool.h"
#include "config/broker_config.h"
#include "core/raft/raft.h"
#include "protocol/fetch_snapshot.h"

namespace millrace::quorum {

// The connections to the controllers, over which raft's requests go. One request at a time is sent
// to each, but that a fetch, which may wait there, keeps no vote from its way.
class Peers {
  public:
    // The connections live in `scope`. Error invalid_config where the ssl.* keys of the
    // controllers' listener are wrong.
    static Result<Peers> make(env::Shard& shard, Scope& scope, std::string cluster_id,
                              const config::BrokerConfig& config);

    // ResponseArrived, or SendFailed when no answer came in controller.quorum.request.timeout.ms.
    Task<raft::Event> ask(raft::Send send);

    // Whether a controller's listener refuses connections for controller.quorum.refusal.ms.
    Task<bool> refuses(const std::vector<raft::Endpoint>& endpoints);

    struct SnapshotPiece {
        std::int64_t size = 0;  // of the whole snapshot
        Slice bytes;
    };
    // A piece of the snapshot from `position` on. Errors as the leader answers them, and those of
    // the network.
    Task<Result<SnapshotPiece>> fetch_snapshot(raft::FetchSnapshot wanted, raft::ReplicaKey self,
                                               std::int32_t epoch, std::int64_t position);

  private:
    using Connection = std::shared_ptr<client::BrokerConnection>;
    Peers(env::Shard& shard, Scope& scope, std::string cluster_id,
          const config::BrokerConfig& config, client::PoolOptions options);

    Task<Result<Connection>> connect(std::int32_t to, const std::vector<raft::Endpoint>& endpoints,
                                     client::Lane lane);
    Task<Result<raft::Response>> exchange(raft::Send send);
    Task<Result<raft::Response>> exchange_of_voters(Connection connection, raft::Request request);
    template <typename Wire>
    Task<Result<raft::Response>> call(Connection connection, Wire wire);
    void note(std::int32_t to, const Error& error);

    env::Shard& shard_;
    std::string cluster_id_;
    std::string listener_;  // by which the controllers are reached
    Duration request_timeout_;
    Duration refusal_;  // none: nothing is concluded from it
    std::int32_t fetch_max_bytes_;
    std::int32_t snapshot_max_bytes_;
    std::unique_ptr<client::ConnectionPool> pool_;
    std::map<std::int32_t, std::string> noted_;  // what keeps a controller from answering
};

// How a node connects to controllers: the TLS of their listener where it is SSL, and the name of
// the client, as Apache has them.
Result<client::PoolOptions> controller_pool_options(const config::BrokerConfig& config,
                                                    std::string client_id);

}  // namespace millrace::quorum
