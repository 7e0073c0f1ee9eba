#pragma once

#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/raft/laws_test.h"
#include "core/raft/raft.h"

// A quorum in virtual time for the tests of this room: disks that lose what was not synced, a
// network that delays, drops, reorders and cuts, administrators that change the voters, and the
// laws of consensus, looked at after each step.
namespace millrace::raft {

struct ClusterShape {
    std::int32_t voters = 3;
    std::int32_t observers = 0;
    bool dynamic = false;    // kraft.version 1: the voters are in the log
    bool auto_join = false;  // of all nodes
    double loss = 0.0;       // of messages
    Duration longest_delay = Duration::milliseconds(5);
    Duration longest_sync = Duration::milliseconds(5);
    // What is wrong with the nodes; nothing, but where a test plants a fault.
    const Rules* rules = &kraft_rules;
    bool forgets_epochs = false;     // an epoch without a vote is not written
    bool tells_before_sync = false;  // the log is called durable as soon as it is written
};

class TestCluster {
  public:
    TestCluster(ClusterShape shape, std::uint64_t seed);

    // A law is broken where this takes steps without end.
    void run_for(Duration time);
    // False when it does not come to pass in this time.
    bool run_until(const std::function<bool()>& holds, Duration at_most);

    void crash(std::int32_t id);
    void restart(std::int32_t id);
    void restart_all();
    void cut(std::int32_t from, std::int32_t to) { cut_.insert({from, to}); }
    void isolate(std::int32_t id);
    void mend(std::int32_t from, std::int32_t to) { cut_.erase({from, to}); }
    void heal() { cut_.clear(); }
    void append(std::int32_t id, std::int32_t count);
    void resign(std::int32_t id);
    // Takes the leader that it follows for gone, whether it is or not.
    void give_up_leader(std::int32_t id);
    // A snapshot of what is committed, or of a part of that; the log before it goes away.
    void snapshot(std::int32_t id, bool whole = false);
    // Asks `leader` to make `id` a voter, or to let it go; what came of it is in last_answer().
    void add_voter(std::int32_t leader, std::int32_t id, bool ack_when_committed = true);
    void remove_voter(std::int32_t leader, std::int32_t id);
    const std::optional<VoterChangeResponse>& last_answer() const { return last_answer_; }
    // Of a quorum that was static.
    void raise_kraft_version(std::int32_t leader);
    // A node that is down loses its disk and gets a new directory, or tells another address.
    void wipe(std::int32_t id);
    void move(std::int32_t id);
    // Whether no log names it as a voter: it may be wiped.
    bool is_free(std::int32_t id) const;

    const Raft* raft(std::int32_t id) const { return nodes_.at(id).raft.get(); }
    bool is_up(std::int32_t id) const { return nodes_.at(id).raft != nullptr; }
    std::optional<std::int32_t> leader() const;  // of the newest epoch
    // All up, one leader, and everybody has all of it.
    bool settled() const;
    // The ids of the voters in the newest leader's log, all of it committed.
    std::vector<std::int32_t> voters() const;
    const std::vector<std::int32_t>& ids() const { return ids_; }
    Time now() const { return now_; }
    Random& random() { return random_; }
    const Laws& laws() const { return laws_; }
    std::uint64_t turns() const { return turns_; }
    // Which law was broken first; "" while all hold.
    const std::string& broken() const { return laws_.broken(); }
    std::string describe() const;
    // Actions of nodes as text, for traces; each line begins with the node's id.
    void record_trace(std::string& into) { trace_ = &into; }

  private:
    struct Snapshot {
        OffsetAndEpoch at;
        std::uint64_t history = 0;
        VoterSet voters;
        std::int16_t kraft_version = 0;
    };
    struct Node {
        std::unique_ptr<Raft> raft;
        std::uint64_t incarnation = 0;
        Uuid directory;
        bool knows_voters = false;  // from a checkpoint 0-0, or its configuration
        int moves = 0;
        Time wake = Time::never();
        Time persisted_at;  // quorum-state is written by one write after the other
        std::uint64_t generation = 1;
        std::int64_t high_watermark = -1;
        std::optional<std::int64_t> told_high_watermark;  // by the leader it follows
        bool told_of_end = false;  // its leader has resigned, or is taken for gone
        // Of a leader: since when its voters are what they are, and when it heard from whom.
        Time voters_since;
        std::map<std::int32_t, Time> heard;
        // On disk; what is behind durable_end may be lost.
        QuorumState state;
        std::int64_t start = 0;
        std::vector<TestRecord> log;
        std::int64_t durable_end = 0;
        std::optional<Snapshot> snapshot;

        std::int64_t end() const { return start + static_cast<std::int64_t>(log.size()); }
        const TestRecord& at(std::int64_t offset) const {
            return log.at(static_cast<std::size_t>(offset - start));
        }
        OffsetAndEpoch last() const {
            if (!log.empty()) return {end(), log.back().epoch};
            return snapshot ? snapshot->at : OffsetAndEpoch{};
        }
    };
    struct Asked {
        std::int32_t from = no_node;  // an administrator
        std::uint64_t incarnation = 0;
        std::int32_t to = no_node;  // as it knows whom it asks: a bootstrap server by its place
        std::uint64_t correlation = 0;
        Request request;
    };

    // cluster_test.cc: nodes and what they do
    ReplicaKey key_of(std::int32_t id) const { return {id, nodes_.at(id).directory}; }
    VoterSet initial_voters() const;
    // A node that has moved is heard where it was before, too: else voters of which too many have
    // moved could not find each other.
    std::int32_t heard_at(const std::vector<Endpoint>& endpoints) const;
    Recovered recover(std::int32_t id) const;
    void step(std::int32_t id, const Event& event);
    void carry_out(std::int32_t id, const Event& event, Actions actions);
    void write_control(std::int32_t id, const Actions& actions);
    void write(std::int32_t id, const Span& span, std::uint64_t generation,
               const std::vector<TestRecord>& records);
    void persist(std::int32_t id, const Persist& persist);
    void send(std::int32_t id, const Send& send);
    void ask(std::int32_t id, Request request);
    void answer(std::int32_t id, const Reply& reply);
    void fill(const Node& leader, const FetchRequest& request, FetchResponse& response);
    void fetch_snapshot(std::int32_t id, const FetchSnapshot& wanted);
    bool delivers(std::int32_t from, std::int32_t to);
    void later(Duration at_most, std::function<void()> what);
    bool turn(Time until);
    std::uint32_t name(const VoterSet& voters);
    static std::vector<TestRecord> decode(const Slice& bytes);
    static Slice encode(const std::vector<TestRecord>& records);

    // laws_test.cc
    const VoterSet& voters_in_log(const Node& node, std::int64_t end) const;
    void check_leadership(std::int32_t id, const Leadership& leadership);
    void check_high_watermark(std::int32_t id, std::int64_t high_watermark);
    void check_told(std::int32_t id);
    void check_cut(std::int32_t id, std::int64_t end);
    void check_request(std::int32_t id, const Request& request);
    void check_epoch(std::int32_t id, std::int32_t told);
    void check_answer(std::int32_t id, const Request& request, const Response& response);
    void check_voters_record(std::int32_t id, const VotersRecord& record);
    void check_log(std::int32_t id);
    void check_leader(std::int32_t id);
    std::size_t copies(const VoterSet& voters, std::int64_t end, std::uint64_t history) const;

    ClusterShape shape_;
    Random random_;
    Time now_ = Time() + Duration::seconds(1);
    std::uint64_t turns_ = 0;
    std::vector<std::int32_t> ids_;
    std::map<std::int32_t, Node> nodes_;
    std::vector<VoterSet> voter_sets_;  // nobody, those of the beginning, those of records
    std::multimap<Time, std::function<void()>> events_;
    std::set<std::pair<std::int32_t, std::int32_t>> cut_;
    std::map<std::uint64_t, Asked> asked_;
    std::optional<VoterChangeResponse> last_answer_;
    std::uint64_t tokens_ = 0;
    std::uint64_t values_ = 0;
    std::uint64_t directories_ = 0;
    Laws laws_;
    std::string* trace_ = nullptr;
};

}  // namespace millrace::raft
