#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/scope.h"
#include "client/assigned_partitions.h"
#include "client/consumer.h"
#include "client/coordinated_membership.h"
#include "client/fetcher.h"
#include "client/group_member.h"
#include "client/signal.h"
#include "client/topic_pattern.h"

namespace millrace::client {

// What a Consumer is inside: the subscription, and what poll() has to do before there are records.
// Fetching, positions, joins and heartbeats go on in the background; the user's callbacks and what
// is assigned change in poll() only.
class ConsumerCore {
  public:
    static Result<std::unique_ptr<ConsumerCore>> create(Cluster& cluster, ConsumerConfig config);
    ConsumerCore(Cluster& cluster, ConsumerConfig config,
                 std::vector<std::unique_ptr<Assignor>> assignors);

    Cluster& cluster() { return cluster_; }
    const ConsumerConfig& config() const { return config_; }
    AssignedPartitions& partitions() { return partitions_; }
    const AssignedPartitions& partitions() const { return partitions_; }
    const Membership* member() const { return member_.get(); }
    Signal& changed() { return changed_; }
    Fetcher& fetcher() { return *fetcher_; }
    Time api_deadline() const;

    // Subscriptions.
    Result<> subscribe(std::vector<std::string> topics, RebalanceListener* listener);
    Result<> subscribe_pattern(const std::string& pattern, RebalanceListener* listener);
    Result<> assign(const Partitions& partitions);
    Task<void> unsubscribe(std::string reason, Time deadline);
    const std::set<std::string>& topics() const { return topics_; }

    Task<Result<ConsumerRecords>> poll(Duration timeout);
    Task<void> close();

    // Finds positions in the background, of partitions whose position is not known.
    void look_for_positions();
    // Why a position cannot be found, once.
    std::optional<Error> take_error();

    PartitionOffsets positions() const;
    Task<Result<>> commit(PartitionOffsets offsets, Time deadline);
    void commit_in_background();
    // If offsets are committed without being asked to.
    Task<void> commit_before_rebalance();
    Task<Result<PartitionOffsets>> committed(Partitions partitions, Time deadline);

  private:
    enum class Mode : std::uint8_t { none, by_hand, topics, pattern };
    // Lets poll() look again at a time.
    class Alarm final : public env::Timer {
      public:
        explicit Alarm(Signal& changed) : changed_(changed) {}
        void fire() override { changed_.raise(); }

      private:
        Signal& changed_;
    };

    Result<> choose(Mode mode);
    Result<> need_group() const;
    void match_pattern();

    // Membership, in poll().
    Task<Result<>> update_membership();
    Task<void> lose_partitions();
    Task<void> follow_classic_group();
    Task<void> prepare_join();
    Task<void> take_assignment();
    void drop(const Partitions& partitions);

    // The same where the coordinator decides (consumer_coordinated.cc).
    Task<void> follow_coordinator();
    Task<bool> reconcile(CoordinatedMember::Wish wish);
    std::string name_of(const Uuid& topic) const;
    Task<void> find_names(std::vector<Uuid> topics);

    // Positions.
    void check_epochs();
    Task<void> find_committed(std::map<TopicPartition, std::uint64_t> wanted);
    Task<void> find_resets(std::map<TopicPartition, std::uint64_t> wanted);
    Task<void> validate(std::map<TopicPartition, std::uint64_t> wanted);
    AssignedPartition* still(const TopicPartition& name, std::uint64_t incarnation);
    void set_position(const TopicPartition& name, AssignedPartition& partition, std::int64_t offset,
                      std::int32_t epoch);
    void put_off(const std::map<TopicPartition, std::uint64_t>& wanted, const Error& error);
    void truncated(const TopicPartition& name, AssignedPartition& partition,
                   std::int64_t end_offset);

    Result<Committer> committer() const;
    // What was refused as of a stale epoch is asked again as soon as the member has another one.
    template <typename T, typename Ask>
    Task<Result<T>> as_member(Ask ask);
    Task<Result<PartitionOffsets>> committed_once(Partitions partitions);
    void commit_if_due();
    Task<void> commit_quietly(PartitionOffsets offsets);
    bool commits_by_itself() const { return config_.auto_commit() && member_ != nullptr; }

    Cluster& cluster_;
    env::Shard& shard_;
    ConsumerConfig config_;
    Signal changed_;
    AssignedPartitions partitions_;
    Mode mode_ = Mode::none;
    std::set<std::string> topics_;
    std::optional<TopicPattern> pattern_;
    std::string pattern_text_;
    std::uint64_t matched_generation_ =
        0;                       // of the metadata that the pattern was last held against
    bool topics_moved_ = false;  // what is subscribed to is not what was joined with
    RebalanceListener* listener_ = nullptr;
    std::unique_ptr<Membership> member_;  // none without group.id
    GroupMember* classic_ = nullptr;      // of either protocol, the same one
    CoordinatedMembership* coordinated_ = nullptr;
    std::map<Uuid, std::string> names_;  // of topics that the metadata does not know by their ids
    bool finding_names_ = false;
    std::unique_ptr<Fetcher> fetcher_;
    Time next_commit_;
    bool committing_ = false;
    Alarm alarm_{changed_};
    std::optional<Error> error_;
    Scope scope_;
};

}  // namespace millrace::client
