#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/chain.h"
#include "base/result.h"
#include "base/task.h"
#include "broker/partitions/arrivals.h"
#include "broker/partitions/commit_waits.h"
#include "broker/partitions/future_replica.h"
#include "broker/partitions/gate.h"
#include "broker/partitions/partition_metrics.h"
#include "broker/partitions/remote_log.h"
#include "broker/partitions/verifications.h"
#include "config/broker_config.h"
#include "config/topic_config.h"
#include "core/metadata/partition.h"
#include "core/replication/follower.h"
#include "core/replication/leader.h"
#include "records/validate.h"
#include "storage/log.h"

namespace millrace::broker {

struct TopicIdPartition {
    Uuid topic_id;
    std::int32_t partition = 0;
    auto operator<=>(const TopicIdPartition&) const = default;
};

class Partition;

// Is told what the log of a partition leaves to be done later.
class LogWorkListener {
  public:
    virtual void rolled(Partition& partition) = 0;  // a complete segment is to be synced
    virtual void files_doomed(Partition& partition, Timestamp due) = 0;

  protected:
    ~LogWorkListener() = default;
};

// What the leader of a partition with followers needs of its shard.
class ReplicationHost {
  public:
    virtual const metadata::Image& image() const = 0;  // of the moment
    virtual Duration max_lag() const = 0;              // replica.lag.time.max.ms
    // The controller is to be asked; not at once where it was before (`retry`).
    virtual void isr_wanted(Partition& partition, replication::IsrChange change, bool retry) = 0;
    virtual void isr_settled(replication::LeaderActions::Outcome outcome) = 0;

  protected:
    ~ReplicationHost() = default;
};

// What the node's configs, rather than the topic's, say of every partition.
struct NodeTerms {
    bool flush_acks_all = true;
    std::int64_t producer_id_expiration_ms = 86'400'000;
    std::int64_t directory_delete_delay_ms = 60'000;  // log.segment.delete.delay.ms
    std::int64_t transaction_max_timeout_ms = 900'000;
    bool remote_storage = false;  // topics may be tiered

    static NodeTerms of(const config::BrokerConfig& config);
};
storage::LogOptions log_options(const config::TopicConfig& topic, const NodeTerms& node);

// What a Produce request says beside the records.
struct ProduceTerms {
    std::int16_t acks = -1;
    std::int16_t version = 0;
    bool transactional = false;  // the request has a transactional id
    // Transactional records: whether a transaction may begin with them; where one was asked for
    // the coordinator's word, whether that still holds.
    bool verified = true;
    Verifications::Pending* verification = nullptr;
    Duration timeout = Duration::max();  // for the replicas in sync, from the append on
};

struct Produced {
    ErrorCode error = ErrorCode::none;
    std::string message;
    std::vector<RecordError> record_errors;
    storage::Offset base_offset = -1;
    Timestamp log_append_time = -1;
    storage::Offset log_start = -1;
    bool tells_message = false;  // the client hears the message
};

// The end of a producer's transaction, as its coordinator tells it.
struct TransactionEnd {
    std::int64_t producer_id = no_producer_id;
    std::int16_t producer_epoch = no_producer_epoch;
    std::int32_t coordinator_epoch = -1;
    std::int8_t transaction_version = 0;
    bool committed = false;
};

// What the log is to know of a coordinator's batch.
struct CoordinatorTerms {
    std::int8_t transaction_version = 0;  // of a marker
    bool verified = true;                 // of a transactional one
    Duration linger;                      // before it is written
};

// Up to where a fetch reads.
enum class FetchBound : std::uint8_t { log_end, high_watermark, last_stable };

// The replica that fetches, rather than a client.
struct FetchingReplica {
    std::int32_t id = -1;
    std::int64_t broker_epoch = -1;
    storage::Offset log_start = -1;
};

struct FetchTerms {
    storage::Offset offset = 0;
    std::uint64_t max_bytes = 0;
    bool whole_first_batch = false;
    bool read_committed = false;
    std::int32_t current_leader_epoch = -1;
    std::int32_t last_fetched_epoch = -1;
    std::optional<FetchingReplica> replica;
    bool again = false;  // the same request has read here before
    // Of a client: it reads from whom leads only; or where it is, to be sent to a nearer replica.
    bool leader_only = true;
    std::string_view rack;

    // What may be read and is not yet there is waited for.
    FetchBound bound() const {
        if (replica) return FetchBound::log_end;
        return read_committed ? FetchBound::last_stable : FetchBound::high_watermark;
    }
};

struct Fetched {
    ErrorCode error = ErrorCode::none;
    storage::Offset high_watermark = -1;
    storage::Offset last_stable_offset = -1;
    storage::Offset log_start = -1;
    storage::Offset bound = -1;  // nothing was read at or behind it
    std::optional<storage::EpochEnd> diverging;
    std::int32_t leader_id = -1;  // told when the client's leader or epoch is not this one
    std::int32_t leader_epoch = -1;
    std::optional<std::int32_t> preferred_replica;  // is to be asked instead
    struct Aborted {
        std::int64_t producer_id;
        storage::Offset first_offset;
    };
    std::optional<std::vector<Aborted>> aborted;  // of read_committed
    Chain records;
    std::uint64_t first_batch_size = 0;
    bool is_remote = false;  // the offset lies in remote storage: fetch_remote() has the records
};

// One replica of a partition on this node: its log, its leadership and its high watermark. Lives
// on one shard.
class Partition final : private storage::LogListener {
  public:
    struct Identity {
        std::string topic;
        Uuid topic_id;
        std::int32_t index = 0;
        std::string to_string() const;  // "orders-3", as Kafka's logs and errors name it
    };

    // `log` lies in `directory`.
    Partition(env::Shard& shard, Identity identity, std::int32_t node_id,
              storage::LogDirectory& directory, std::shared_ptr<storage::Log> log,
              PartitionMetrics& metrics);
    ~Partition();

    const Identity& identity() const { return identity_; }
    TopicIdPartition id() const { return {identity_.topic_id, identity_.index}; }
    void listen(LogWorkListener& work) { work_ = &work; }
    void lead_for(ReplicationHost& host) { host_ = &host; }
    // What a start knows of the high watermark. Before anybody uses it.
    void restore_high_watermark(storage::Offset offset);
    // After an unclean end the log may hold what is only in the system's memory, and would go with
    // the power: hidden from clients until it is on stable storage. Before anybody uses it.
    void hide_unsynced();
    bool hides_unsynced() const { return hidden_below_.has_value(); }
    Task<Result<>> sync_recovered();
    // The high watermark is below what clients may have been told: after an unclean end, or by the
    // leader before (KIP-207).
    bool watermark_is_low() const {
        return hides_unsynced() || (followers_ && high_watermark_ < followers_->epoch_start());
    }
    // Ends when it is not, or the replica is no longer the node's.
    Task<void> recovered() {
        co_await recovered_.until([this] { return !watermark_is_low() || retired_; });
    }
    // Takes over what the controller decided; a new epoch of ours begins in the log.
    void update(const metadata::Partition& state);
    void configure(const config::TopicConfig& config, const NodeTerms& node);
    const config::TopicConfig& config() const { return config_; }
    // Its log directory has failed: from now on every request hears kafka_storage_error.
    Task<void> go_offline();
    // This replica is no longer the node's: requests under way hear that it does not lead, and
    // nothing touches the files of its logs any more.
    Task<void> retire();

    const metadata::Partition& state() const { return state_; }
    const NodeTerms& node() const { return node_; }
    bool is_leader() const { return state_.leader == node_id_; }
    // Of a leader: a replica is not in sync.
    bool is_under_replicated() const {
        return is_leader() && state_.isr.size() < state_.replicas.size();
    }
    // Of a leader: how many replicas are in sync beyond min.insync.replicas; 1 where it follows.
    std::int32_t isr_against_minimum() const;
    std::int32_t leader_epoch() const { return state_.leader_epoch; }
    struct Role {
        std::int32_t leader = metadata::no_leader;
        std::int32_t epoch = -1;
        bool leads = false;
        bool operator==(const Role&) const = default;
        bool follows() const { return !leads && leader != metadata::no_leader; }
    };
    Role role() const { return {state_.leader, state_.leader_epoch, is_leader()}; }
    // None when this node leads and the client's epoch (-1: it has none) is the current one;
    // kafka_storage_error when it is offline.
    ErrorCode check_leader(std::int32_t current_leader_epoch) const;

    // Appends at once up to the first wait; answers when `terms.acks` is satisfied.
    Task<Produced> produce(Slice records, ProduceTerms terms, BatchValidator& validator);
    // A batch of a coordinator; ends when it is on stable storage (acks=all). The error bears
    // NOT_LEADER_OR_FOLLOWER when this node has stopped leading.
    Task<Result<storage::Offset>> append_own(Slice batch);
    // Appends the marker, as append_own. Errors of ProducerState::check, not_enough_replicas.
    Task<Result<storage::Offset>> end_transaction(TransactionEnd end);
    // The same in steps, so that what is appended depends on all that was before it: when
    // may_append() has ended, append_now() in the same turn, and committed() from then on.
    Task<void> may_append() {
        if (!gate_.open()) co_await gate_.pass();
    }
    Result<storage::Appended> append_now(Slice batch, const CoordinatorTerms& terms = {});
    Result<storage::Appended> append_now(const TransactionEnd& end);
    // What lies below `end` is on stable storage (acks=all).
    Task<Result<>> committed(storage::Offset end) { return acknowledged(end, -1); }
    Task<Fetched> fetch(FetchTerms terms);
    // What `fetched` says is in remote storage. replica_not_available: it is not known yet where.
    Task<Fetched> fetch_remote(FetchTerms terms, Fetched fetched);
    // Where such a fetch ends now, and who waits for that to move.
    storage::Offset end_for(FetchBound bound);
    Arrivals& arrivals(FetchBound bound = FetchBound::high_watermark) {
        return bound == FetchBound::log_end ? replica_arrivals_ : arrivals_;
    }

    // --- Replication (partition_replication.cc) ---
    // What this replica sends to followers, or fetches, counts towards the node's quotas
    // (leader. and follower.replication.throttled.replicas).
    struct Throttled {
        bool leading = false;
        bool following = false;
    };
    const Throttled& throttled() const { return throttled_; }
    // Of a leader: a replica that is in sync is never held back.
    bool may_hold_back(std::int32_t replica) const {
        return throttled_.leading && followers_ && !metadata::contains(followers_->isr(), replica);
    }
    // Of a leader that has followers; null otherwise.
    const replication::Leader* followers() const { return followers_.get(); }
    // A follower may have fallen behind by now.
    void check_lag();
    void isr_answered(const replication::ChangeAnswered& answer);
    bool follows(std::int32_t leader_epoch) const {
        return !is_leader() && !offline_ && !retired_ && state_.leader_epoch == leader_epoch;
    }
    // Of a follower, whose log is on stable storage up to its end.
    replication::FollowerLog follower_log() const;
    // Carries out what follows from a leader's answer; `records` came with it, and `behind` is what
    // actions.begin_behind needs. Ends when the log is as synced as the node wants its replicas to
    // be, and has learnt the rest. The error bears NOT_LEADER_OR_FOLLOWER when the partition
    // follows in this epoch no longer.
    Task<Result<>> follow(std::int32_t leader_epoch, replication::FollowerActions actions,
                          Slice records, std::optional<storage::RemoteBeginning> behind = {});
    // Errors as RemoteLog::beginning().
    Task<Result<storage::RemoteBeginning>> remote_beginning(replication::TieredBeginning at);

    // --- Transactions ---
    Verifications& verifications() { return verifications_; }
    // The producer's transaction is open here.
    bool has_transaction(const transactions::ProducerIdAndEpoch& producer) const;

    struct ListTerms {
        Timestamp timestamp =
            -1;  // or one of ListOffsets' special ones (-1 latest, -2 earliest, …)
        bool read_committed = false;
        bool from_replica = false;  // sees what is not below the high watermark
        std::int32_t current_leader_epoch = -1;
    };
    struct ListedOffset {
        ErrorCode error = ErrorCode::none;
        Timestamp timestamp = -1;
        storage::Offset offset = -1;
        std::int32_t leader_epoch = -1;
    };
    Task<ListedOffset> list_offset(ListTerms terms);
    // Records below `offset` are gone here; -1 stands for the high watermark. Returns the offset.
    Result<storage::Offset> delete_records(storage::Offset offset);
    // Ends when they are on every living replica, and gives the low watermark. request_timed_out.
    Task<Result<storage::Offset>> deleted_below(storage::Offset offset, Time deadline);

    // What retention and flush.ms say of the log; no limits without cleanup.policy=delete.
    storage::RetentionLimits retention() const;
    std::int64_t flush_ms() const { return config_.flush_ms(); }

    // --- Tiered storage (KIP-405) ---
    // Its topic has remote.storage.enable, and this node has remote storage.
    bool is_tiered() const { return log_->options().tiered; }
    // What is complete is copied: records may go from here that are in remote storage.
    bool is_copied() const { return is_tiered() && !config_.remote_log_copy_disable(); }
    // What is kept here of one that is copied: local.retention.ms and .bytes.
    storage::RetentionLimits local_retention() const;
    // Records below are in remote storage.
    storage::Offset copied_end() const { return remote_ ? remote_->highest_offset() + 1 : 0; }
    // Of a leader, for as long as it is tiered.
    void set_remote_log(std::shared_ptr<RemoteLog> remote) { remote_ = std::move(remote); }
    RemoteLog* remote_log() const { return remote_.get(); }
    // The log begins at `offset`, or at the high watermark when that is lower, unless it begins
    // later.
    Result<> advance_start(storage::Offset offset);

    storage::Offset high_watermark() const { return high_watermark_; }
    storage::Offset last_stable_offset() { return log_->last_stable_offset(high_watermark_); }
    storage::Log& log() { return *log_; }
    const storage::Log& log() const { return *log_; }
    // For what goes on with the log across waits: another one may take its place.
    std::shared_ptr<storage::Log> share_log() const { return log_; }
    // Where the log lies.
    storage::LogDirectory& directory() const { return *directory_; }
    bool has_failed() const { return log_->failed(); }
    // A transaction is open for longer than any may be.
    bool has_late_transaction() const;

    // --- Moving to another log directory ---
    FutureReplica* future() const { return future_.get(); }
    // Ends when no switch is under way.
    Task<void> settled() {
        co_await switched_.until([this] { return !switching_; });
    }
    std::shared_ptr<FutureReplica> share_future() const { return future_; }
    void begin_future(std::shared_ptr<FutureReplica> future);
    // The copy is given up; its log is closed, its directory stays.
    Task<std::shared_ptr<FutureReplica>> end_future();
    struct Switched {
        storage::LogDirectory* left = nullptr;
        std::string path;  // of what is to be wiped there; empty where its directory has failed
    };
    // Holds back what is to be written while the future log takes over the rest, becomes durable,
    // and takes the current one's place on disk and here. What was acknowledged is in a complete
    // log at each step; a start between the two renames finds it in the future one.
    Task<Result<Switched>> switch_to_future();
    std::size_t producer_count() const { return log_->producers().producers().size(); }

  private:
    void log_written(storage::Offset) override {
        advance_high_watermark();
        if (followers_) replica_arrivals_.notify();
    }
    void log_flushed(storage::Offset) override { advance_high_watermark(); }
    void log_failed(const Error& error) override;
    void log_rolled() override;
    void files_doomed(Timestamp due) override;
    void sync_took(Duration time) override { log_syncs_.update(time); }
    void advance_high_watermark();
    void set_high_watermark(storage::Offset to);
    void begin_role(bool new_term);
    const metadata::Image& image() const;
    void step(const replication::LeaderEvent& event);
    replication::LeaderActions step_now(const replication::LeaderEvent& event);
    ErrorCode check_fetch(const FetchTerms& terms) const;
    ErrorCode count_replica(const FetchTerms& terms, std::int32_t epoch);
    Task<Result<>> replicated(storage::Offset end, Duration timeout);
    Task<Result<>> committed(storage::Offset end, std::uint64_t leadership);
    Result<> append_from_leader(Slice records);
    Result<> truncate(storage::Offset to);
    void forget_hidden_from(storage::Offset end);
    Produced refused(Error error) const;
    std::expected<storage::Appended, Produced> append(Slice records, ProduceTerms terms,
                                                      BatchValidator& validator);
    Task<Fetched> read_records(FetchTerms terms);
    Task<void> read_local(const FetchTerms& terms, Fetched& result);
    std::optional<std::int32_t> preferred_replica(const FetchTerms& terms) const;
    ErrorCode check_epoch(std::int32_t current_leader_epoch) const;
    static std::optional<std::vector<Fetched::Aborted>> aborted_in(storage::Log& log,
                                                                   storage::Offset offset,
                                                                   const storage::ReadResult& read);
    ProduceRules rules(const ProduceTerms& terms) const;
    Task<Result<storage::Offset>> appended_now(Result<storage::Appended> appended);
    Result<> check_isr() const;
    Task<Result<>> acknowledged(storage::Offset end, std::int16_t acks,
                                Duration timeout = Duration::max());
    Task<ListedOffset> find_offset(Timestamp timestamp);
    ListedOffset at_offset(storage::Offset offset) const;
    ListedOffset pending_upload() const;
    Task<Result<>> catch_up(FutureReplica& future);
    Task<Result<>> rename_logs(FutureReplica& future, Switched& switched);
    void take_over(FutureReplica& future);

    env::Shard& shard_;
    Identity identity_;
    std::string name_;
    std::int32_t node_id_;
    storage::LogDirectory* directory_;
    std::shared_ptr<storage::Log> log_;
    std::shared_ptr<storage::Log> left_;  // the one before: somebody may still wait in it
    std::shared_ptr<FutureReplica> future_;
    Gate gate_;  // before the log, shut while it is replaced
    bool switching_ = false;
    bool retired_ = false;
    Condition switched_;
    metadata::Partition state_;
    config::TopicConfig config_;
    NodeTerms node_;
    Throttled throttled_;
    bool offline_ = false;
    LogWorkListener* work_ = nullptr;
    storage::Offset high_watermark_ = 0;
    storage::Offset stable_wanted_ = 0;  // behind the last record that is to be on stable storage
    std::optional<storage::Offset> hidden_below_;  // the log's end when it was opened
    Condition recovered_;
    Arrivals arrivals_;          // to the high watermark
    Arrivals replica_arrivals_;  // to the log's end
    ReplicationHost* host_ = nullptr;
    std::unique_ptr<replication::Leader> followers_;
    std::uint64_t leaderships_ = 0;  // that have ended
    CommitWaits commit_waits_;
    Verifications verifications_;
    Condition replicas_started_;  // the log of a follower may begin elsewhere
    std::shared_ptr<RemoteLog> remote_;
    std::shared_ptr<TopicMetrics> metrics_;
    metrics::Timer& log_syncs_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
