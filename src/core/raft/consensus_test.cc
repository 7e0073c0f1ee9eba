// Whole quorums under random faults. MILLRACE_SEEDS asks for more seeds than the test takes by
// itself, MILLRACE_SEED for one of them.
#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/raft/cluster_test.h"

namespace millrace::raft {
namespace {

// One disturbance.
void disturb(TestCluster& cluster) {
    Random& random = cluster.random();
    auto any = [&] { return cluster.ids()[random.below(cluster.ids().size())]; };
    switch (random.below(8)) {
        case 0:
            return cluster.crash(any());
        case 1:
            return cluster.restart(any());
        case 2:
            return cluster.isolate(any());
        case 3:
            return cluster.cut(any(), any());  // one way only
        case 4:
        case 5:
            return cluster.heal();
        case 6:
            if (random.chance(0.3)) cluster.resign(any());
            return;
        default:
            if (random.chance(0.5)) cluster.snapshot(any());
    }
}

void simulate(std::uint64_t seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed * 7919);
    ClusterShape shape{
        .voters = static_cast<std::int32_t>(random.between(1, 5)),
        .observers = static_cast<std::int32_t>(random.between(0, 1)),
        .dynamic = random.chance(0.5),
        .loss = random.chance(0.5) ? random.unit() * 0.2 : 0.0,
        .longest_delay = Duration::milliseconds(random.between(1, 400)),
        .longest_sync = Duration::milliseconds(random.between(1, 100)),
    };
    TestCluster cluster(shape, seed);
    for (int i = 0; i < 60 && !testing::Test::HasFailure(); ++i) {
        cluster.run_for(Duration::milliseconds(random.between(1, 1'500)));
        if (random.chance(0.6)) disturb(cluster);
        if (auto leader = cluster.leader(); leader && random.chance(0.7))
            cluster.append(*leader, static_cast<std::int32_t>(random.between(1, 5)));
    }
    // Left in peace it comes to rest.
    cluster.heal();
    cluster.restart_all();
    bool settled = cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(300));
    EXPECT_TRUE(settled || testing::Test::HasFailure()) << cluster.describe();
}

TEST(Consensus, TheLawsHoldUnderRandomFaults) {
    if (const char* one = std::getenv("MILLRACE_SEED"))
        return simulate(std::strtoull(one, nullptr, 10));
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t seeds = wanted == nullptr ? 300 : std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) simulate(seed);
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
    EXPECT_NE(cluster.leader(), old);
    EXPECT_LT(cluster.now() - begun, Duration::milliseconds(500)) << "sooner than any timeout";
}

}  // namespace
}  // namespace millrace::raft
