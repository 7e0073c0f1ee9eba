#pragma once

#include <deque>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/raft/raft.h"

// A quorum in virtual time for the tests of this room: disks that lose what was not synced, a
// network that delays, drops, reorders and cuts, and the laws of consensus, looked at after each
// step.
namespace millrace::raft {

struct TestRecord {
    std::int32_t epoch = 0;
    std::uint64_t value = 0;
    std::uint64_t history = 0;  // a hash of this record and all before it
    bool holds_voters = false;
};

// What must hold whatever happens (KIP-595; Ongaro's thesis, figure 3.2).
class Laws {
  public:
    // One leader an epoch.
    void leads(std::int32_t node, std::int32_t epoch);
    // One vote an epoch and voter, crashes or not.
    void votes(std::int32_t voter, std::int32_t epoch, const ReplicaKey& candidate);
    // Two logs that hold a record of one epoch at one offset are the same up to there.
    void holds(std::int64_t offset, const TestRecord& record);
    // What was once committed stays.
    void committed(std::int64_t offset, const TestRecord& record);
    std::int64_t committed_end() const { return static_cast<std::int64_t>(committed_.size()); }
    std::uint64_t committed_history(std::int64_t offset) const {
        return committed_.at(static_cast<std::size_t>(offset));
    }

  private:
    std::map<std::int32_t, std::int32_t> leaders_;
    std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> votes_;
    std::map<std::pair<std::int32_t, std::int64_t>, std::uint64_t> histories_;
    std::vector<std::uint64_t> committed_;
};

struct ClusterShape {
    std::int32_t voters = 3;
    std::int32_t observers = 0;
    bool dynamic = false;  // kraft.version 1: the voters are in the log
    double loss = 0.0;     // of messages
    Duration longest_delay = Duration::milliseconds(5);
    Duration longest_sync = Duration::milliseconds(5);
};

class TestCluster {
  public:
    TestCluster(ClusterShape shape, std::uint64_t seed);

    void run_for(Duration time);
    // False when it does not come to pass in this time.
    bool run_until(const std::function<bool()>& holds, Duration at_most);

    void crash(std::int32_t id);
    void restart(std::int32_t id);
    void restart_all();
    void cut(std::int32_t from, std::int32_t to) { cut_.insert({from, to}); }
    void isolate(std::int32_t id);
    void heal() { cut_.clear(); }
    void append(std::int32_t id, std::int32_t count);
    void resign(std::int32_t id);
    // A snapshot of what is committed; the log before it goes away.
    void snapshot(std::int32_t id);

    const Raft* raft(std::int32_t id) const { return nodes_.at(id).raft.get(); }
    bool is_up(std::int32_t id) const { return nodes_.at(id).raft != nullptr; }
    std::optional<std::int32_t> leader() const;  // of the newest epoch
    // All up, one leader, and everybody has all of it.
    bool settled() const;
    const std::vector<std::int32_t>& ids() const { return ids_; }
    Time now() const { return now_; }
    Random& random() { return random_; }
    const Laws& laws() const { return laws_; }
    std::string describe() const;
    // Actions of nodes as text, for traces; each line begins with the node's id.
    void record_trace(std::string& into) { trace_ = &into; }

  private:
    struct Snapshot {
        OffsetAndEpoch at;
        std::uint64_t history = 0;
    };
    struct Node {
        std::unique_ptr<Raft> raft;
        std::uint64_t incarnation = 0;
        Time wake = Time::never();
        Time persisted_at;  // quorum-state is written by one write after the other
        std::uint64_t generation = 1;
        std::int64_t high_watermark = -1;
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
    };
    struct Asked {
        std::int32_t from = no_node;
        std::uint64_t incarnation = 0;
        std::uint64_t correlation = 0;
        Request request;
    };

    VoterSet voter_set() const;
    Recovered recover(const Node& node) const;
    void step(std::int32_t id, const Event& event);
    void carry_out(std::int32_t id, const Event& event, Actions actions);
    void write(std::int32_t id, const Span& span, std::uint64_t generation,
               const std::vector<TestRecord>& records);
    void persist(std::int32_t id, const Persist& persist);
    void send(std::int32_t id, const Send& send);
    void answer(std::int32_t id, const Reply& reply);
    void fill(const Node& leader, const FetchRequest& request, FetchResponse& response);
    void fetch_snapshot(std::int32_t id, const FetchSnapshot& wanted);
    void check_high_watermark(std::int32_t id, std::int64_t high_watermark);
    void check_log(std::int32_t id);
    bool delivers(std::int32_t from, std::int32_t to);
    void later(Duration at_most, std::function<void()> what);
    bool turn(Time until);
    static std::vector<TestRecord> decode(const Slice& bytes);
    static Slice encode(const std::vector<TestRecord>& records);

    ClusterShape shape_;
    Random random_;
    Time now_ = Time() + Duration::seconds(1);
    std::vector<std::int32_t> ids_;
    std::map<std::int32_t, Node> nodes_;
    std::multimap<Time, std::function<void()>> events_;
    std::set<std::pair<std::int32_t, std::int32_t>> cut_;
    std::map<std::uint64_t, Asked> asked_;
    std::uint64_t tokens_ = 0;
    std::uint64_t values_ = 0;
    Laws laws_;
    std::string* trace_ = nullptr;
};

}  // namespace millrace::raft
