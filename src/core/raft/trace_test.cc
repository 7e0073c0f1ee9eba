// Scenarios as text, compared with testdata/*.txt: what each node does, step by step. Written anew
// with MILLRACE_WRITE_TRACES=1; look at the difference before it is committed.
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <utility>

#include "core/raft/cluster_test.h"

namespace millrace::raft {
namespace {

class Trace : public testing::Test {
  protected:
    Trace() : cluster_({.voters = 3}, 1) { cluster_.record_trace(text_); }

    void say(const std::string& what) { text_ += fmt::format("# {}\n", what); }
    void settle() {
        ASSERT_TRUE(cluster_.run_until([&] { return cluster_.settled(); }, Duration::seconds(60)))
            << cluster_.describe();
    }
    // Nodes that know no leader ask for one many times a second.
    void leave_out_searching() {
        std::istringstream lines(std::exchange(text_, {}));
        for (std::string line; std::getline(lines, line);) {
            bool searching = line.find("fetch 0@0 epoch 0") != std::string::npos ||
                             line.find("fetched, leader -1 epoch 0") != std::string::npos;
            if (!searching) text_ += line + "\n";
        }
    }
    // One that is not the leader.
    std::int32_t follower() { return cluster_.leader() == 1 ? 2 : 1; }

    void compare(const std::string& name) {
        std::string path =
            fmt::format("{}/src/core/raft/testdata/{}.txt", MILLRACE_SOURCE_DIR, name);
        if (std::getenv("MILLRACE_WRITE_TRACES") != nullptr) std::ofstream(path) << text_;
        std::ifstream file(path);
        std::ostringstream recorded;
        recorded << file.rdbuf();
        EXPECT_EQ(text_, recorded.str());
    }

    std::string text_;
    TestCluster cluster_;
};

TEST_F(Trace, Election) {
    say("three empty logs");
    settle();
    leave_out_searching();
    compare("election");
}

TEST_F(Trace, PreVote) {
    settle();
    text_.clear();
    std::int32_t away = follower();
    say(fmt::format("{} is cut off, asks for pre-votes in vain, and comes back", away));
    cluster_.isolate(away);
    cluster_.run_for(Duration::milliseconds(3'500));
    say("the network heals");
    cluster_.heal();
    settle();
    compare("pre_vote");
}

TEST_F(Trace, Divergence) {
    settle();
    std::int32_t old = *cluster_.leader();
    cluster_.isolate(old);
    text_.clear();
    say(fmt::format("{} leads alone and appends what nobody gets", old));
    cluster_.append(old, 3);
    ASSERT_TRUE(cluster_.run_until([&] { return cluster_.leader().value_or(old) != old; },
                                   Duration::seconds(30)));
    say("the network heals: the old leader's records are cut off");
    cluster_.heal();
    settle();
    compare("divergence");
}

TEST_F(Trace, SnapshotFetch) {
    settle();
    std::int32_t away = follower();
    cluster_.crash(away);
    cluster_.append(*cluster_.leader(), 20);
    cluster_.run_for(Duration::milliseconds(200));
    cluster_.snapshot(*cluster_.leader());
    text_.clear();
    say(fmt::format("{} comes back; what it lacks is in a snapshot only", away));
    cluster_.restart(away);
    settle();
    compare("snapshot_fetch");
}

TEST_F(Trace, Resignation) {
    settle();
    text_.clear();
    say(fmt::format("{} hands over", *cluster_.leader()));
    cluster_.resign(*cluster_.leader());
    settle();
    compare("resignation");
}

}  // namespace
}  // namespace millrace::raft
