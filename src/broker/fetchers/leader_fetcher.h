#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/fetchers/follower_session.h"
#include "broker/fetchers/leader_link.h"
#include "broker/fetchers/replication_metrics.h"
#include "broker/node.h"
#include "broker/replication_quota.h"
#include "core/replication/follower.h"

namespace millrace::broker {

// Fetches from one leader for all replicas of a shard that follow it: one request at a time in one
// session. What an answer brings is written at the end of the turn in which it is read, each log
// is synced at the same time as the others, and the next request says how far that went.
class LeaderFetcher {
  public:
    // Ends when the recovery points are on stable storage, as they are now.
    using SaveRecoveryPoints = std::function<Task<Result<>>()>;
    struct Parts {
        env::Shard& shard;
        const Node& node;
        const MetadataCache& metadata;
        const config::BrokerConfig& config;
        ReplicationMetrics& metrics;
        ReplicationQuota& quota;  // of throttled replicas
    };
    LeaderFetcher(Parts parts, std::int32_t leader, const SaveRecoveryPoints& save);

    void start() { scope_.spawn(run()); }
    Task<void> stop() { return scope_.close(); }
    // As Apache Kafka names the thread that fetches from this leader.
    std::string name() const;

    // Follows from now on in the partition's current epoch.
    void add(const std::shared_ptr<Partition>& partition);
    void remove(const TopicIdPartition& id);
    bool empty() const { return following_.empty(); }
    std::int64_t most_behind() const;  // records
    std::size_t failed() const;        // replicas that wait for another epoch

  private:
    struct Following {
        std::shared_ptr<Partition> partition;
        replication::Follower follower;
        bool begun = false;
        bool failed = false;                 // its log takes no more
        std::optional<std::int64_t> behind;  // records; none: not known yet
        metrics::Registry::Reading lag;
    };
    using Link = std::shared_ptr<client::BrokerConnection>;

    Task<void> run();
    Task<void> run_round();
    Task<void> begin_new();
    bool choose(FetchPositions& positions, std::vector<TopicIdPartition>& unplaced);
    bool is_held_back(const Following& each) const;
    Time next_resumption() const;
    Task<bool> look_up_offsets(const Link& link, const std::vector<TopicIdPartition>& unplaced);
    Task<Result<>> fetch(const Link& link, const FetchPositions& positions);
    FetchRequest request_of(const FetchPositions& positions);
    Task<void> take(const FetchResponse& response, const FetchPositions& asked);
    Task<void> take_partition(TopicIdPartition id, FetchPosition asked,
                              const FetchResponse::PartitionData& data);
    Task<Result<>> follow(Partition& partition, std::int32_t epoch,
                          replication::FollowerActions actions, Slice records);
    Task<void> carry_out(TopicIdPartition id, std::int32_t epoch,
                         replication::FollowerActions actions, Slice records);
    Following* find(const TopicIdPartition& id, std::int32_t epoch);
    Task<void> pause(const Error& error);
    Task<void> wait_for_change(Time until);

    Parts parts_;
    std::int32_t leader_;
    const SaveRecoveryPoints& save_recovery_points_;
    LeaderLink link_;
    FollowerSession session_;
    std::optional<FetcherStats> stats_;
    std::map<TopicIdPartition, Following> following_;
    std::string told_error_;  // why the leader cannot be reached, which is told once
    Condition changed_;
    Scope scope_;
};

}  // namespace millrace::broker
