#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"
#include "client/assignor.h"
#include "client/cluster.h"
#include "client/consumer_offsets.h"
#include "client/group_offsets.h"
#include "client/membership.h"
#include "client/signal.h"
#include "env/shard.h"
#include "protocol/join_group.h"
#include "protocol/sync_group.h"

namespace millrace::client {

struct GroupMemberOptions {
    std::string group_id;
    std::optional<std::string> instance_id;
    std::optional<std::string> rack;
    Duration session_timeout = Duration::seconds(45);
    Duration rebalance_timeout = Duration::seconds(300);  // max.poll.interval.ms
    Duration heartbeat_interval = Duration::seconds(3);
    Duration request_timeout = Duration::seconds(30);
    Backoff retry;
};

// What a coordinator's error means for a member.
enum class Fate : std::uint8_t {
    go_on,
    with_id,  // the same again, with the member id that the answer has
    later,    // the same again after a pause
    find,     // the same after a pause, with the coordinator that is to be found
    rejoin,   // still a member; the group rebalances
    lost,     // no member any more, as a new one
    fatal,    // nothing the member can do
};
Fate fate_of(ErrorCode code);

// One consumer's membership in a group of the classic protocol: joins in the background, decides as
// its leader, keeps it by heartbeats. What a rebalance does to partitions is for its owner to do,
// between the steps:
//
//   out -> begin_join() -> joining -> assigned -> take_assignment() -> stable
//
// and from there back, when rejoin_wanted(), or lost(): the partitions may be somebody else's.
class GroupMember final : public Membership {
  public:
    enum class State : std::uint8_t { out, joining, assigned, stable };

    // Raises `changed` when its owner should look.
    GroupMember(Cluster& cluster, std::vector<std::unique_ptr<Assignor>> assignors, Signal& changed,
                const GroupMemberOptions& options);

    State state() const { return state_; }
    // Cooperative only when every assignor is.
    RebalanceProtocol protocol() const;
    // `owned` stays with the member while it joins.
    void begin_join(std::vector<std::string> topics, Partitions owned);
    // What the group gives this member; CHECK: state is assigned.
    Partitions take_assignment();
    bool rejoin_wanted() const { return rejoin_wanted_; }
    void want_rejoin(std::string reason);
    bool take_lost() override { return std::exchange(lost_, false); }
    // As leader: whether the group's topics have other partitions than those that were shared out.
    bool topics_changed() const;
    std::optional<Error> take_error() override;
    void enter_poll() override { polling_ = true; }
    void leave_poll() override;
    const Committer& committer() const override { return me_; }
    bool is_settled() const override { return state_ == State::stable; }
    Task<void> leave(std::string reason, Time deadline) override;
    Task<void> close() override;

  private:
    // What one attempt came to.
    struct Outcome {
        Fate fate = Fate::go_on;
        Error error;
    };

    Task<void> join();
    Task<Outcome> join_once();
    Task<Outcome> sync(std::shared_ptr<BrokerConnection> connection, JoinGroupResponse joined);
    Task<Result<std::vector<SyncGroupRequest::SyncGroupRequestAssignment>>> decide(
        const JoinGroupResponse& joined);
    Task<void> know_topics(const Subscriptions& subscriptions);
    JoinGroupRequest join_request() const;
    const Assignor* assignor(std::string_view name) const;
    Outcome outcome(std::string_view doing, const std::string& broker, ErrorCode code);
    Task<void> beat();
    Task<Outcome> beat_once();
    void take_beat(const Outcome& outcome);
    // After ILLEGAL_GENERATION the member may come back under its id.
    void end_membership(ErrorCode why);
    void become(State state);
    bool is_member() const { return state_ == State::assigned || state_ == State::stable; }
    Time poll_deadline() const;
    Task<Result<>> leave_once(std::string reason);

    Cluster& cluster_;
    env::Shard& shard_;
    std::vector<std::unique_ptr<Assignor>> assignors_;
    Signal& changed_;
    GroupMemberOptions options_;
    Committer me_;
    State state_ = State::out;
    std::vector<std::string> topics_;
    Partitions owned_;
    Partitions assignment_;
    std::string assignor_name_;
    // For the sticky assignors: what the last assignment was.
    Partitions had_;
    std::int32_t had_generation_ = -1;
    bool leader_ = false;
    PartitionCounts shared_counts_;           // as the leader shared them out,
    std::vector<std::string> shared_topics_;  // of these topics, whether they exist or not
    std::string reason_;                      // of the next join
    bool rejoin_wanted_ = false;
    bool lost_ = false;
    bool polling_ = false;
    Time last_poll_;
    Time next_beat_;
    std::optional<Error> error_;
    bool fenced_ = false;
    Signal moved_;  // the state is another one
    std::unique_ptr<Scope> joining_;
    Scope beating_;
};

}  // namespace millrace::client
