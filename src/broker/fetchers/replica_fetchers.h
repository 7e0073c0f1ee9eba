#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "broker/fetchers/leader_fetcher.h"
#include "broker/partitions/partitions.h"

namespace millrace::broker {

// The fetchers of one shard, one for each leader that its replicas follow.
class ReplicaFetchers final : public LeadershipListener {
  public:
    ReplicaFetchers(LeaderFetcher::Parts parts, metrics::Registry& registry);

    // Before it nothing is fetched.
    void start(LeaderFetcher::SaveRecoveryPoints save_recovery_points);
    Task<void> stop();

  private:
    void elected(const std::shared_ptr<Partition>&) override {}
    void resigned(const Partition&) override {}
    void followed(const std::shared_ptr<Partition>& partition) override;
    void unfollowed(const Partition& partition) override;
    void leave(const TopicIdPartition& id);
    Task<void> end(std::shared_ptr<LeaderFetcher> fetcher);

    LeaderFetcher::Parts parts_;
    bool started_ = false;
    LeaderFetcher::SaveRecoveryPoints save_recovery_points_;
    std::map<std::int32_t, std::shared_ptr<LeaderFetcher>> fetchers_;  // by leader
    std::map<TopicIdPartition, std::int32_t> leaders_;
    std::vector<metrics::Registry::Reading> readings_;
    Scope scope_;
};

}  // namespace millrace::broker
