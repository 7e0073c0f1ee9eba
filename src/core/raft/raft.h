#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "core/raft/election.h"
#include "core/raft/epochs.h"
#include "core/raft/message.h"
#include "core/raft/progress.h"
#include "core/raft/replica.h"
#include "core/raft/rules.h"

namespace millrace::raft {

// controller.quorum.*
struct Options {
    ReplicaKey self;
    std::vector<Endpoint> endpoints;  // where this node's controller is heard
    // controller.quorum.bootstrap.servers: asked who leads, beside the voters, as ids -2, -3, …
    std::vector<Endpoint> bootstrap;
    Duration election_timeout = Duration::milliseconds(1000);
    Duration election_backoff_max = Duration::milliseconds(1000);
    Duration fetch_timeout = Duration::milliseconds(2000);
    Duration fetch_max_wait = Duration::milliseconds(500);
    Duration request_timeout = Duration::milliseconds(2000);
    Duration retry_backoff = Duration::milliseconds(20);
    // controller.quorum.auto.join.enable: an observer makes itself a voter (KIP-1186).
    bool auto_join = false;
};

// What the driver found on disk.
struct Recovered {
    QuorumState state;
    LogFacts log;
    VoterHistory voters;
    KRaftVersionHistory kraft_versions;
};

enum class Role { unattached, prospective, candidate, leader, follower, resigned };
std::string_view to_string(Role role);

// What happened.
struct TimeReached {};
struct RequestArrived {
    std::uint64_t token = 0;  // names the request in its Reply
    Request request;
};
struct ResponseArrived {
    std::int32_t from = no_node;
    std::uint64_t correlation = 0;  // of the Send it answers
    Response response;
};
struct SendFailed {
    std::int32_t to = no_node;
    std::uint64_t correlation = 0;
};
// Asks to append this many records; admitted only by a leader (Actions::appends).
struct AppendRequested {
    std::int32_t count = 0;
};
// Asks to raise kraft.version and to bring the voters into the log; done by a leader whose
// check_kraft_version() has nothing against it.
struct KRaftVersionRaised {
    std::int16_t level = 0;
};
// The log is on stable storage below `end`. `generation`: of the last append that it covers.
struct LogDurable {
    std::int64_t end = 0;
    std::uint64_t generation = 0;
};
struct StateDurable {
    std::uint64_t version = 0;  // of the Persist
};
// A snapshot of committed records was made, or the log's start was moved to one.
struct SnapshotMade {
    OffsetAndEpoch earliest;
    OffsetAndEpoch latest;
    std::int64_t log_start = 0;
};
// The snapshot that the leader named is in place and the log begins behind it; none: it failed.
struct SnapshotFetched {
    std::optional<OffsetAndEpoch> snapshot;
    std::optional<VoterSet> voters;  // none: the fixed ones
    std::int16_t kraft_version = 0;
};
// Another piece of that snapshot has come: the leader is alive, though nothing is fetched
// meanwhile.
struct SnapshotPieceFetched {};
// A replica was given a piece of a snapshot by this leader.
struct SnapshotPieceServed {
    ReplicaKey replica;
};
// This leader's process has ended, as far as can be seen from here: it need not be waited for; the
// voters that are left try to follow it one after the other, in the order of their ids. A mistake
// costs a pre-vote that nobody grants who hears of the leader.
struct LeaderGone {
    std::int32_t leader = no_node;
    std::int32_t epoch = 0;
};
// Hand the leadership over: shutdown, or a leader that cannot go on.
struct ResignRequested {};
using Event =
    std::variant<TimeReached, RequestArrived, ResponseArrived, SendFailed, AppendRequested,
                 KRaftVersionRaised, LogDurable, StateDurable, SnapshotMade, SnapshotFetched,
                 SnapshotPieceFetched, SnapshotPieceServed, LeaderGone, ResignRequested>;

// What to do about it, in the order of the fields.
struct Persist {
    QuorumState state;
    std::uint64_t version = 0;
};
struct Append {
    Span span;
    std::uint64_t generation = 0;  // goes up with each truncation
    Slice records;                 // of the leader; empty: those that were asked to be appended
};
// The first batch of an epoch, in the log before anything else of it.
struct EpochStart {
    Span span;  // one record, or three with voters
    std::uint64_t generation = 0;
    std::int32_t leader = no_node;
    std::vector<std::int32_t> voters;
    std::vector<std::int32_t> granting;
    // KRaftVersion and Voters records behind the LeaderChange.
    std::optional<VoterSet> voter_set;
    std::int16_t kraft_version = 0;
};
// A change of the voters: a VotersRecord, behind a KRaftVersionRecord where that rises.
struct VotersRecord {
    Span span;
    std::uint64_t generation = 0;
    VoterSet voters;
    std::optional<std::int16_t> kraft_version;
};
struct Send {
    std::int32_t to = no_node;
    std::vector<Endpoint> endpoints;
    std::uint64_t correlation = 0;
    Request request;
};
struct Reply {
    std::uint64_t token = 0;
    Response response;
};
struct FetchSnapshot {
    std::int32_t from = no_node;
    std::vector<Endpoint> endpoints;
    OffsetAndEpoch snapshot;
};
struct Leadership {
    Role role = Role::unattached;
    std::int32_t epoch = 0;
    std::int32_t leader = no_node;
    bool operator==(const Leadership&) const = default;
};
struct Actions {
    std::optional<std::int64_t> truncate_to;
    std::optional<Persist> persist;
    std::optional<EpochStart> epoch_start;
    std::optional<VotersRecord> voters_record;
    std::vector<Append> appends;
    std::vector<Send> sends;
    std::vector<Reply> replies;
    std::optional<FetchSnapshot> fetch_snapshot;
    std::optional<Leadership> leadership;        // when it changed
    std::optional<std::int64_t> high_watermark;  // when it advanced
    bool voters_changed = false;                 // those in force
    Time wake_at = Time::never();                // TimeReached then, or sooner

    bool empty() const;
};
// A line per action.
std::string to_string(const Actions& actions);

// KRaft as a pure step function (KIP-595, 853, 996, 1166): no I/O, no clock, no waiting. The
// driver carries out the actions and tells back what became durable. Nothing leaves that rests on
// an epoch or vote not yet on stable storage, and nothing counts towards the high watermark that
// is not on stable storage of a majority.
class Raft {
  public:
    // `rules` outlive it.
    Raft(Options options, Recovered recovered, Random random, const Rules& rules = kraft_rules);

    Actions step(const Event& event, Time now);

    Role role() const { return role_; }
    const ReplicaKey& self() const { return options_.self; }
    std::int32_t epoch() const { return state_.epoch; }
    std::int32_t leader() const { return state_.leader; }
    bool is_leader() const { return role_ == Role::leader; }
    std::optional<std::int64_t> high_watermark() const { return high_watermark_; }
    const LogFacts& log() const { return log_; }
    const VoterSet& voters() const { return rules_->in_force(voters_, high_watermark_); }
    const VoterSet& voters_at(std::int64_t end_offset) const { return voters_.at_end(end_offset); }
    // Whether the voters in force are not known to stay.
    bool voters_uncommitted() const {
        return voters_.offset().value_or(-1) >= high_watermark_.value_or(0);
    }
    std::int16_t kraft_version() const { return kraft_versions_.current(); }
    std::int16_t kraft_version_at(std::int64_t end_offset) const {
        return kraft_versions_.at_end(end_offset);
    }
    // What keeps a leader from raising kraft.version to this level: invalid_update_version; or
    // not_controller.
    Result<> check_kraft_version(std::int16_t level) const;
    const QuorumState& state() const { return state_; }
    // Where the leader's controller is heard, as far as that is known.
    const std::vector<Endpoint>& leader_endpoints() const { return leader_endpoints_; }
    // Of a follower: the leader's own high watermark as it was told last in this epoch, which may
    // be behind what the log here holds.
    std::optional<std::int64_t> leader_high_watermark() const { return leader_high_watermark_; }
    bool fetching_snapshot() const { return fetching_snapshot_; }
    // Of a leader that has resigned: how many voters know.
    std::size_t resignation_heard() const { return resignation_told_.size(); }
    // Of a leader: where each replica stands.
    const Progress& progress() const { return progress_; }
    const std::map<ReplicaKey, Progress::Replica>& observers(Time now) {
        return progress_.observers(now);
    }

  private:
    // A node that requests go to: one at a time, and a pause after a failure.
    struct Peer {
        std::uint64_t in_flight = 0;  // correlation; 0: none
        Time busy_until;
        Time retry_at;
    };
    struct WaitingFetch {
        std::uint64_t token = 0;
        FetchRequest request;
        Time until;
    };
    template <typename T>
    struct Held {
        std::uint64_t version;
        T message;
    };

    // raft.cc: events, time, transitions
    void on(const TimeReached&);
    void on(const RequestArrived& event);
    void on(const ResponseArrived& event);
    void on(const SendFailed& event);
    void on(const AppendRequested& event);
    void on(const KRaftVersionRaised& event);
    void on(const LogDurable& event);
    void on(const StateDurable& event);
    void on(const SnapshotMade& event);
    void on(const SnapshotFetched& event);
    void on(const SnapshotPieceFetched&);
    void on(const SnapshotPieceServed& event);
    void on(const LeaderGone& event);
    Duration turn_after(std::int32_t gone) const;
    void on(const ResignRequested& event);
    void start();
    void poll();
    void poll_role();
    void finish_actions();
    Time next_wake() const;
    void persist(QuorumState state);
    void become_unattached(std::int32_t epoch);
    void become_follower(std::int32_t epoch, std::int32_t leader, std::vector<Endpoint> endpoints);
    void become_resigned();
    void enter(Role role, Time deadline);
    Duration random_election_timeout();

    // votes.cc: elections
    void become_prospective();
    void become_candidate();
    void become_leader();
    void count_votes();
    bool would_grant(const VoteRequest& request) const;
    void handle(std::uint64_t token, const VoteRequest& request);
    void handle(std::int32_t from, const VoteResponse& response);
    void send_votes();
    void end_pre_votes();

    // leader.cc
    void handle(std::uint64_t token, const FetchRequest& request);
    void handle(std::int32_t from, const BeginEpochResponse& response);
    void handle(std::int32_t from, const EndEpochResponse& response);
    FetchResponse fetch(const FetchRequest& request);
    void check_quorum();
    bool worth_sending(const FetchRequest& request, const FetchResponse& response) const;
    void complete_fetches();
    void advance_high_watermark();
    void poll_leader();
    void poll_resigned();

    // follower.cc
    void handle(std::uint64_t token, const BeginEpochRequest& request);
    void handle(std::uint64_t token, const EndEpochRequest& request);
    void handle(std::int32_t from, const FetchResponse& response);
    void append_fetched(const FetchResponse& response);
    void send_fetch();
    void follow_high_watermark(std::int64_t leaders);

    // voters.cc: who votes, and how that changes
    void handle(std::uint64_t token, const AddVoterRequest& request);
    void handle(std::uint64_t token, const RemoveVoterRequest& request);
    void handle(std::uint64_t token, const UpdateVoterRequest& request);
    void handle(std::uint64_t token, const VersionsRequest& request);
    void handle(std::int32_t from, const VoterChangeResponse& response);
    void handle(std::int32_t from, const UpdateVoterResponse& response);
    void handle(std::int32_t from, const VersionsResponse& response);
    Voter own_voter() const;
    bool hears_on_our_listener(const Voter& voter) const;
    std::optional<VoterChangeResponse> refuse_change(std::string_view doing) const;
    ErrorCode check_update(const UpdateVoterRequest& request) const;
    void append_voters(VoterSet voters, std::optional<std::int16_t> kraft_version = {});
    void lead_voters();
    void begin_change(std::uint64_t token, Voter voter, bool ack_when_committed);
    void end_change(ErrorCode error, std::string message = {});
    void commit_change();
    void poll_change();
    std::optional<Request> voter_request() const;

    // messages
    Answer answer(ErrorCode error = ErrorCode::none) const;
    ErrorCode check_voter_request(std::int32_t from, std::int32_t epoch) const;
    bool is_for_us(const ReplicaKey& voter) const;
    // True when the answer ends the matter: a newer epoch, a new leader, or an error.
    bool learn(std::int32_t from, const Answer& answer);
    void learn_leader(std::int32_t leader, std::int32_t epoch, std::vector<Endpoint> endpoints);
    void pause(std::int32_t to);
    bool try_send(std::int32_t to, Request request);
    bool try_send(std::int32_t to, std::vector<Endpoint> endpoints, Request request);
    void reply(std::uint64_t token, Response response);
    std::vector<Endpoint> endpoints_of(std::int32_t id) const;
    bool is_voter() const { return voters().contains(options_.self); }
    bool state_durable() const { return rules_->may_leave(version_, persisted_); }

    // A change of the voters that somebody waits for.
    struct VoterChange {
        std::optional<std::uint64_t> token;  // none: it was answered already
        Voter voter;                         // that is added; of one that is removed the key
        bool ack_when_committed = true;
        std::optional<std::int64_t> offset;  // of the VotersRecord, once it is in the log
        Time deadline;
    };

    const Rules* rules_;
    Options options_;
    Random random_;
    Time now_;
    Actions actions_;

    QuorumState state_;
    std::uint64_t version_ = 0;    // of state_
    std::uint64_t persisted_ = 0;  // version on stable storage
    LogFacts log_;
    std::int64_t durable_end_ = 0;
    std::uint64_t generation_ = 1;
    VoterHistory voters_;
    KRaftVersionHistory kraft_versions_;
    std::optional<std::int64_t> high_watermark_;

    bool started_ = false;
    Role role_ = Role::unattached;
    Leadership announced_;
    std::vector<Endpoint> leader_endpoints_;
    Time deadline_ = Time::never();  // election, fetch or check-quorum timeout of the role
    bool fetched_in_epoch_ = false;
    std::optional<std::int64_t> leader_high_watermark_;
    bool fetching_snapshot_ = false;
    Election election_;
    std::uint32_t lost_elections_ = 0;
    Progress progress_;
    Time begin_epoch_at_;
    std::optional<VoterChange> change_;
    // Of a leader at kraft.version 0: the voters as they have told of themselves.
    VoterSet described_;
    // Of a follower: when it tells its leader about itself, or asks to become a voter.
    Time voter_request_at_;
    bool described_itself_ = false;
    std::optional<std::int64_t> announced_voters_;

    std::map<std::int32_t, Peer> peers_;
    std::uint64_t correlations_ = 0;
    std::vector<WaitingFetch> waiting_;
    std::set<std::int32_t> resignation_told_;
    std::vector<Held<Send>> held_sends_;
    std::vector<Held<Reply>> held_replies_;
};

}  // namespace millrace::raft
