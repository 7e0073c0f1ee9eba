#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/partitions/partition.h"
#include "broker/partitions/partition_changes.h"
#include "env/shard.h"

namespace millrace::broker {

// Is told which partitions this node begins and ceases to lead or follow, and of new configs.
class LeadershipListener {
  public:
    virtual void elected(const std::shared_ptr<Partition>& partition) = 0;
    virtual void resigned(const Partition& partition) = 0;
    virtual void configured(const std::shared_ptr<Partition>& /*partition*/) {}
    // It follows a leader, or another one, or in another epoch; it follows nobody any more.
    virtual void followed(const std::shared_ptr<Partition>& /*partition*/) {}
    virtual void unfollowed(const Partition& /*partition*/) {}

  protected:
    ~LeadershipListener() = default;
};

// How far a partition's move to another log directory is.
struct FutureProgress {
    enum class State {
        gone,      // neither log is here any more
        behind,    // there may be more to copy
        near,      // only what came just now is missing
        switched,  // the move has ended
    };
    State state = State::gone;
    std::uint64_t bytes = 0;  // copied now
    Result<> status;
};

// The partitions of one shard. Handlers hold on to a partition while they use it, so that one that
// is deleted meanwhile ends with its last user.
class Partitions {
  public:
    Partitions(env::Shard& shard, std::int32_t node_id, metrics::Registry& registry);

    std::shared_ptr<Partition> find(const TopicIdPartition& id) const {
        auto found = partitions_.find(id);
        return found == partitions_.end() ? nullptr : found->second;
    }
    // Why find() finds nothing: kafka_storage_error for a replica in a log directory that failed.
    ErrorCode absence_of(const TopicIdPartition& id) const {
        return offline_.contains(id) ? ErrorCode::kafka_storage_error
                                     : ErrorCode::not_leader_or_follower;
    }
    const std::map<TopicIdPartition, std::shared_ptr<Partition>>& all() const {
        return partitions_;
    }
    env::Shard& shard() const { return shard_; }
    BatchValidator& validator() { return validator_; }
    void listen(LeadershipListener& listener) { listeners_.push_back(&listener); }
    void listen(LogWorkListener& listener) { log_work_ = &listener; }
    void lead_for(ReplicationHost& host) { host_ = &host; }
    void verify_with(TransactionVerifier& verifier) { verifier_ = &verifier; }
    TransactionVerifier& verifier() const { return *verifier_; }

    // What could not be opened is logged and stays away. Returns whether the log may hold more than
    // is on stable storage, which stays hidden until sync_recovered().
    Task<bool> open(PartitionOpening opening, NodeTerms node);
    Task<void> sync_recovered(TopicIdPartition id);
    Task<void> apply(PartitionChanges changes);
    // A log directory has failed: its replicas are let go, and nothing in it is touched again.
    Task<void> take_offline(const storage::LogDirectory& directory);
    // Wipes a directory that was renamed for it, after log.segment.delete.delay.ms.
    void wipe(storage::LogDirectory& directory, const std::string& path, Duration delay) {
        scope_.spawn(wipe_later(directory, path, delay));
    }

    // --- Moving to another log directory (replica_moves.h) ---
    // Opens what is to become the log of a partition.
    Task<Result<>> add_future(TopicIdPartition id, storage::LogDirectory& directory,
                              storage::LogOrigin origin);
    Task<FutureProgress> advance_future(TopicIdPartition id, bool may_switch);
    // The copy is given up and wiped.
    Task<void> drop_future(TopicIdPartition id);

    // --- Ending ---
    // Stops leading. From now on logs are closed, and nothing else.
    Task<void> stop();
    struct OpenLog {
        TopicIdPartition id;
        const storage::LogDirectory* directory = nullptr;
    };
    // Those of partitions and of their copies.
    std::vector<OpenLog> open_logs() const;
    // Leaves what a clean shutdown leaves. An error is logged, too.
    Task<Result<>> close_log(OpenLog log);

    // Offsets for the checkpoint files of each directory.
    struct Offsets {
        std::string directory;
        storage::PartitionName name;
        storage::Offset recovery_point = 0;
        storage::Offset log_start = 0;
        storage::Offset high_watermark = 0;
        std::optional<storage::Offset> first_dirty;
    };
    std::vector<Offsets> offsets() const;
    // So that offsets() has the starts as they are now; what fails closes its log.
    Task<void> save_epochs_of_starts();

  private:
    Task<void> remove(PartitionRemoval removal, NodeTerms node);
    void give_up(FutureReplica& future, const Partition& partition);
    Task<void> wipe_later(storage::LogDirectory& directory, std::string path, Duration delay);
    void watch(metrics::Registry& registry);
    // Tells of what has become of `before`.
    void lead_or_follow(const std::shared_ptr<Partition>& partition, const Partition::Role& before);
    void end_role(const Partition& partition);
    void configure(Partition& partition, const config::TopicConfig& config, const NodeTerms& node);
    // As Apache: neither internal topics nor compacted ones are.
    bool is_tiered(const std::string& topic, const config::TopicConfig& config,
                   const NodeTerms& node) const;

    env::Shard& shard_;
    std::int32_t node_id_;
    BatchValidator validator_;
    PartitionMetrics metrics_;
    std::map<TopicIdPartition, std::shared_ptr<Partition>> partitions_;
    std::set<TopicIdPartition> offline_;
    std::vector<LeadershipListener*> listeners_;
    LogWorkListener* log_work_ = nullptr;
    ReplicationHost* host_ = nullptr;
    TransactionVerifier* verifier_ = nullptr;
    std::vector<metrics::Registry::Reading> readings_;
    bool wiping_ = false;
    Condition wiped_;
    Scope scope_;
};

}  // namespace millrace::broker
