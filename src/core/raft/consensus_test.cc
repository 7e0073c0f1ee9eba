// Whole quorums under random faults. MILLRACE_SEED asks for another first seed, MILLRACE_SEEDS for
// how many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/raft/simulation_test.h"

namespace millrace::raft {
namespace {

TEST(Consensus, TheLawsHoldUnderRandomFaults) {
    Seeds seeds = seeds_wanted(300);
    Simulated all;
    for (std::uint64_t i = 0; i < seeds.count && !HasFailure(); ++i)
        EXPECT_EQ(simulate(seeds.first + i, {}, all), "") << "MILLRACE_SEED=" << seeds.first + i;
    fmt::print("{} seeds, {} virtual minutes, {} disturbances, at most {} steps a seed\n",
               all.seeds, all.time.ms() / 60'000, all.faults, all.turns);
}

TEST(Consensus, WhatIsCommittedOutlivesACrashOfAll) {
    TestCluster cluster({.voters = 3}, 5);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    cluster.append(*cluster.leader(), 100);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.laws().committed_end() >= 101; },
                                  Duration::seconds(10)));
    for (std::int32_t id : cluster.ids()) cluster.crash(id);
    cluster.restart_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    EXPECT_GE(cluster.laws().committed_end(), 102);
}

TEST(Consensus, AMinorityCommitsNothingAndGivesUp) {
    TestCluster cluster({.voters = 3}, 6);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    std::int32_t old = *cluster.leader();
    std::int64_t before = cluster.laws().committed_end();
    cluster.isolate(old);
    cluster.append(old, 10);
    ASSERT_TRUE(
        cluster.run_until([&] { return !cluster.raft(old)->is_leader(); }, Duration::seconds(10)));
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.leader().has_value(); }, Duration::seconds(30)));
    EXPECT_NE(*cluster.leader(), old);
    cluster.heal();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    EXPECT_EQ(cluster.laws().committed_end(), before + 1) << "the new leader's first record only";
}

// KIP-996: who was away does not unseat a leader that the others hear.
TEST(Consensus, ComingBackDoesNotDisturb) {
    TestCluster cluster({.voters = 3}, 7);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    std::int32_t leader = *cluster.leader();
    std::int32_t epoch = cluster.raft(leader)->epoch();
    std::int32_t away = leader == 1 ? 2 : 1;
    cluster.isolate(away);
    cluster.run_for(Duration::seconds(30));
    EXPECT_EQ(cluster.raft(away)->epoch(), epoch) << "pre-votes raise no epoch";
    cluster.heal();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    EXPECT_EQ(cluster.leader(), leader);
    EXPECT_EQ(cluster.raft(leader)->epoch(), epoch);
}

TEST(Consensus, AResigningLeaderIsFollowedSoon) {
    TestCluster cluster({.voters = 3}, 8);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    std::int32_t old = *cluster.leader();
    Time begun = cluster.now();
    cluster.resign(old);
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.leader().has_value(); }, Duration::seconds(10)));
    EXPECT_EQ(cluster.broken(), "");
    EXPECT_NE(cluster.leader(), old);
    EXPECT_LT(cluster.now() - begun, Duration::milliseconds(500)) << "sooner than any timeout";
}

// All notice it at one time, and do not split their votes.
TEST(Consensus, ALeaderThatIsGoneIsNotWaitedFor) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        TestCluster cluster({.voters = seed % 2 == 0 ? 3 : 5, .observers = 1}, seed);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
        cluster.crash(*cluster.leader());
        Time begun = cluster.now();
        for (std::int32_t id : cluster.ids()) cluster.give_up_leader(id);
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.leader().has_value(); }, Duration::seconds(10)))
            << cluster.broken();
        EXPECT_LT(cluster.now() - begun, Duration::milliseconds(500)) << "sooner than any timeout";
    }
}

TEST(Consensus, ALeaderThatIsThereStaysThough) {
    TestCluster cluster({.voters = 3, .observers = 1}, 10);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    std::int32_t leader = *cluster.leader();
    std::int32_t epoch = cluster.raft(leader)->epoch();
    for (std::int32_t id : cluster.ids()) {
        cluster.give_up_leader(id);
        cluster.run_for(Duration::seconds(1));
    }
    ASSERT_TRUE(cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(60)));
    EXPECT_EQ(cluster.leader(), leader);
    EXPECT_EQ(cluster.raft(leader)->epoch(), epoch);
}

}  // namespace
}  // namespace millrace::raft
