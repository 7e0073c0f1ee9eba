#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/controllers.h"
#include "broker/log_directories.h"
#include "broker/node.h"
#include "config/broker_config.h"
#include "net/request.h"
#include "protocol/broker_heartbeat.h"

namespace millrace::broker {

// This broker's life in the cluster (KIP-631): registers, is unfenced when it has caught up, sends
// heartbeats, and hands its leaderships over before it stops. Lives on shard 0.
class Lifecycle {
  public:
    Lifecycle(env::Shard& shard, Controllers& controllers, MetadataCache& metadata,
              const Node& node, const config::BrokerConfig& config, LogDirectories& directories);

    // Registers with the addresses that clients are told, and ends when the broker is unfenced.
    Task<Result<>> start(std::vector<config::Endpoint> advertised);
    // Tells where this node's controller is heard (KIP-919), with the addresses that are told.
    Task<Result<>> register_controller(const std::vector<config::Endpoint>& advertised);
    // Ends when the controller has heard that a log directory failed.
    Task<void> tell_failure(Uuid directory);
    // Tells the controller at once when other directories are cordoned than it was told last.
    void tell_cordons();
    // Tells the controller, and waits until it agrees (controlled.shutdown.enable) or does not know
    // this broker any more, no controller has been reached for a while, or `deadline`.
    Task<void> shut_down(Time deadline);
    // Stops the heartbeats.
    Task<void> stop() { return scope_.close(); }

    std::int64_t epoch() const { return epoch_; }

  private:
    Task<Result<>> register_broker(const std::vector<config::Endpoint>& advertised);
    Task<Result<>> register_until(Time deadline, const std::vector<config::Endpoint>& advertised);
    Task<void> send_heartbeats();
    Task<bool> send_heartbeat();
    Duration pause_after(int failures) const;
    BrokerHeartbeatRequest heartbeat() const;
    void heard(const BrokerHeartbeatRequest& request, const BrokerHeartbeatResponse& response);
    bool supports_cordons() const;

    env::Shard& shard_;
    Controllers& controllers_;
    MetadataCache& metadata_;
    const Node& node_;
    const config::BrokerConfig& config_;
    LogDirectories& directories_;
    std::int64_t epoch_ = -1;
    bool wants_to_stop_ = false;
    bool may_stop_ = false;
    bool fenced_ = true;
    bool caught_up_ = false;
    std::optional<Time> unreachable_since_;    // no controller answers
    std::map<Uuid, bool> failed_directories_;  // true once the controller knows
    std::vector<Uuid> cordons_told_;
    Condition changed_;
    Condition hurry_;
    Scope scope_;
};

}  // namespace millrace::broker
