#pragma once

#include <memory>
#include <set>

#include "broker/coordinators/coordinator_log.h"
#include "broker/coordinators/share_figures.h"
#include "config/broker_config.h"
#include "core/share/share_coordinator.h"

namespace millrace::broker {

// Drives what one partition of __share_group_state that this node leads is about: the states of
// share partitions. Lives on the partition's shard.
class ShareHost final : private CoordinatorLog::State {
  public:
    using Coordinator = share::ShareCoordinator;

    ShareHost(env::Shard& shard, std::shared_ptr<Partition> partition,
              const config::BrokerConfig& config, ShareFigures& figures);

    // Replays the log; until then everything is answered COORDINATOR_LOAD_IN_PROGRESS.
    void start() { log_.start(); }
    Task<void> stop();
    ErrorCode ready() const { return log_.ready(); }
    CoordinatorLog::Stage stage() const { return log_.stage(); }
    void set_image(metadata::ImagePtr image) { coordinator_.set_image(std::move(image)); }

    Task<Coordinator::Outcome> initialize(share::ShareKey key, std::int32_t state_epoch,
                                          share::Offset start);
    Task<Coordinator::Outcome> write(share::ShareKey key, Coordinator::Write what);
    Task<Coordinator::Read> read(share::ShareKey key, std::int32_t leader_epoch);
    Task<Coordinator::Summary> summarize(share::ShareKey key);
    Task<Coordinator::Outcome> remove(share::ShareKey key);
    Task<void> forget_topics(const std::set<Uuid>& topics);

  private:
    Result<> apply(const coordinator::Record& record, const coordinator::AppendedAs& as) override {
        return coordinator_.apply(record, as.offset);
    }
    void loaded() override;
    Task<void> snapshot_cold();
    Task<void> prune();

    env::Shard& shard_;
    const config::BrokerConfig& config_;
    ShareFigures& figures_;
    Coordinator coordinator_;
    CoordinatorLog log_;
};

}  // namespace millrace::broker
