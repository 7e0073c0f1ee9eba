// How the voters of a quorum change (KIP-853, KIP-1186).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/raft/cluster_test.h"

namespace millrace::raft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Voters : public testing::Test {
  protected:
    void begin(ClusterShape shape) {
        cluster.emplace(shape, 1);
        settle();
        cluster->run_for(Duration::seconds(1));  // all have fetched at the log's end
    }
    void settle() {
        ASSERT_TRUE(cluster->run_until([&] { return cluster->settled(); }, Duration::seconds(60)))
            << cluster->describe();
    }
    // What the leader answers to a request of an administrator.
    ErrorCode answer() {
        cluster->run_until([&] { return cluster->last_answer().has_value(); },
                           Duration::seconds(30));
        if (!cluster->last_answer()) return ErrorCode::unknown_server_error;
        message = cluster->last_answer()->message;
        return cluster->last_answer()->error;
    }
    ErrorCode add(std::int32_t id) {
        cluster->add_voter(*cluster->leader(), id);
        return answer();
    }
    ErrorCode remove(std::int32_t id) {
        cluster->remove_voter(*cluster->leader(), id);
        return answer();
    }
    void TearDown() override { EXPECT_EQ(cluster->broken(), ""); }

    std::optional<TestCluster> cluster;
    std::string message;
};

TEST_F(Voters, AnObserverBecomesAVoterAndGoesAgain) {
    begin({.voters = 1, .observers = 1, .dynamic = true});
    EXPECT_EQ(add(2), ErrorCode::none);
    EXPECT_THAT(cluster->voters(), ElementsAre(1, 2));
    EXPECT_EQ(remove(2), ErrorCode::none);
    EXPECT_THAT(cluster->voters(), ElementsAre(1));
    settle();
    EXPECT_EQ(cluster->leader(), 1);
}

TEST_F(Voters, AllAreReplacedOneByOne) {
    begin({.voters = 3, .observers = 3, .dynamic = true});
    for (std::int32_t id = 1; id <= 3; ++id) {
        EXPECT_EQ(add(id + 3), ErrorCode::none) << message;
        cluster->append(*cluster->leader(), 2);
        EXPECT_EQ(remove(id), ErrorCode::none) << message;
        settle();
    }
    EXPECT_THAT(cluster->voters(), ElementsAre(4, 5, 6));
    // A node that slept through all of it finds them by the bootstrap servers.
    for (std::int32_t id = 1; id <= 3; ++id) cluster->crash(id);
    cluster->append(*cluster->leader(), 3);
    cluster->run_for(Duration::seconds(20));
    cluster->restart_all();
    settle();
}

TEST_F(Voters, ALeaderThatIsTakenOutGoesOnceThatIsCommitted) {
    begin({.voters = 3, .dynamic = true});
    std::int32_t old = *cluster->leader();
    EXPECT_EQ(remove(old), ErrorCode::none);
    EXPECT_FALSE(cluster->raft(old)->is_leader());
    settle();
    EXPECT_NE(cluster->leader(), old);
    EXPECT_EQ(cluster->voters().size(), 2U);
    EXPECT_EQ(cluster->raft(old)->role(), Role::follower);
}

// No other has the record that takes it out, and its log is the longest: without it the quorum
// would have no leader any more.
TEST_F(Voters, ALeaderThatIsTakenOutAndCrashesLeadsOnceMoreToCommitThat) {
    begin({.voters = 2, .dynamic = true});
    std::int32_t old = *cluster->leader();
    cluster->isolate(old);
    cluster->remove_voter(old, old);
    cluster->run_for(Duration::milliseconds(300));
    EXPECT_TRUE(cluster->raft(old)->voters_uncommitted());
    cluster->crash(old);
    cluster->heal();
    cluster->restart(old);
    settle();
    EXPECT_THAT(cluster->voters(), ElementsAre(3 - old));
    EXPECT_EQ(cluster->leader(), 3 - old);
    EXPECT_EQ(cluster->raft(old)->role(), Role::follower);
}

TEST_F(Voters, WhatCannotBeIsRefused) {
    begin({.voters = 3, .observers = 1, .dynamic = true});
    std::int32_t leader = *cluster->leader();
    std::int32_t other = leader == 1 ? 2 : 1;
    EXPECT_EQ(add(other), ErrorCode::duplicate_voter);
    EXPECT_THAT(message, HasSubstr("is already part of the set of voters"));
    EXPECT_EQ(remove(4), ErrorCode::voter_not_found);
    EXPECT_THAT(message, HasSubstr("Cannot remove voter ReplicaKey(id=4, directoryId="));
    cluster->add_voter(other, 4);
    EXPECT_EQ(answer(), ErrorCode::not_leader_or_follower);
    // One that does not answer, and one that lags behind.
    cluster->crash(4);
    EXPECT_EQ(add(4), ErrorCode::request_timed_out);
    EXPECT_EQ(cluster->voters().size(), 3U);
}

TEST_F(Voters, TheLastOneStays) {
    begin({.voters = 1, .dynamic = true});
    EXPECT_EQ(remove(1), ErrorCode::voter_not_found);
    EXPECT_EQ(cluster->leader(), 1);
}

TEST_F(Voters, OneChangeAfterTheOther) {
    begin({.voters = 3, .observers = 2, .dynamic = true});
    std::int32_t leader = *cluster->leader();
    for (std::int32_t id = 1; id <= 3; ++id) {
        if (id != leader) cluster->isolate(id);
    }
    cluster->add_voter(leader, 4);
    cluster->run_for(Duration::milliseconds(300));
    EXPECT_EQ(cluster->raft(leader)->voters().size(), 4U);  // in force, and not committed
    EXPECT_TRUE(cluster->raft(leader)->voters_uncommitted());
    EXPECT_FALSE(cluster->last_answer());
    cluster->add_voter(leader, 5);
    EXPECT_EQ(answer(), ErrorCode::request_timed_out);
    EXPECT_THAT(message, HasSubstr("previous voter change"));
    // The leader hears from no majority of the four; the others elect one of them and take it back.
    cluster->isolate(leader);
    cluster->isolate(4);
    cluster->isolate(5);
    for (std::int32_t a = 1; a <= 3; ++a) {
        for (std::int32_t b = 1; b <= 3; ++b) {
            if (a != leader && b != leader) cluster->mend(a, b);
        }
    }
    auto another = [&] {
        auto leads = cluster->leader();
        return leads && leads != leader && !cluster->voters().empty();
    };
    ASSERT_TRUE(cluster->run_until(another, Duration::seconds(30))) << cluster->describe();
    cluster->append(*cluster->leader(), 1);
    cluster->heal();
    settle();
    EXPECT_THAT(cluster->voters(), ElementsAre(1, 2, 3));
    EXPECT_EQ(cluster->raft(leader)->voters().size(), 3U);
}

TEST_F(Voters, AnswersBeforeTheCommitWhereThatIsAskedFor) {
    begin({.voters = 2, .observers = 1, .dynamic = true});
    std::int32_t leader = *cluster->leader();
    cluster->isolate(3 - leader);
    cluster->add_voter(leader, 3, false);
    EXPECT_EQ(answer(), ErrorCode::none);
    EXPECT_TRUE(cluster->raft(leader)->voters_uncommitted());
    cluster->heal();
    settle();
    EXPECT_THAT(cluster->voters(), ElementsAre(1, 2, 3));
}

TEST_F(Voters, AStaticQuorumDoesNotChange) {
    begin({.voters = 3, .observers = 1});
    EXPECT_EQ(add(4), ErrorCode::unsupported_version);
    EXPECT_EQ(message,
              "Cluster doesn't support adding voter because the kraft.version feature is 0");
    EXPECT_EQ(remove(1), ErrorCode::unsupported_version);
}

TEST_F(Voters, AStaticQuorumBecomesADynamicOne) {
    begin({.voters = 3, .observers = 1});
    std::int32_t leader = *cluster->leader();
    // The voters have not told of themselves yet.
    EXPECT_EQ(cluster->raft(leader)->check_kraft_version(1).error().message,
              "Invalid upgrade of kraft.version from version 0 to 1 because not all of the voters "
              "support it");
    auto told = [&] { return cluster->raft(leader)->check_kraft_version(1).has_value(); };
    ASSERT_TRUE(cluster->run_until(told, Duration::seconds(30)));
    cluster->raise_kraft_version(leader);
    settle();
    for (std::int32_t id : cluster->ids()) {
        EXPECT_EQ(cluster->raft(id)->kraft_version(), 1);
        EXPECT_EQ(cluster->raft(id)->voters().size(), 3U);
        EXPECT_FALSE(cluster->raft(id)->voters().find(2)->key.directory.is_zero());
    }
    EXPECT_EQ(cluster->raft(leader)->check_kraft_version(0).error().code,
              ErrorCode::invalid_update_version);
    EXPECT_EQ(add(4), ErrorCode::none) << message;
    EXPECT_THAT(cluster->voters(), ElementsAre(1, 2, 3, 4));
    for (std::int32_t id : cluster->ids()) cluster->crash(id);
    cluster->restart_all();
    settle();
    EXPECT_THAT(cluster->voters(), ElementsAre(1, 2, 3, 4));
}

TEST_F(Voters, AnAddressThatChangedIsToldToTheLeader) {
    begin({.voters = 3, .dynamic = true});
    std::int32_t other = *cluster->leader() == 1 ? 2 : 1;
    cluster->crash(other);
    cluster->move(other);
    cluster->restart(other);
    auto moved = [&] {
        return cluster->settled() &&
               cluster->raft(*cluster->leader())->voters().find(other)->endpoints.front().port ==
                   9100 + other;
    };
    EXPECT_TRUE(cluster->run_until(moved, Duration::seconds(60))) << cluster->describe();
}

TEST_F(Voters, ObserversJoinByThemselves) {
    begin({.voters = 1, .observers = 2, .dynamic = true, .auto_join = true});
    auto joined = [&] { return cluster->voters().size() == 3; };
    EXPECT_TRUE(cluster->run_until(joined, Duration::seconds(60))) << cluster->describe();
}

TEST_F(Voters, ANodeWithANewDirectoryTakesThePlaceOfItsOldSelf) {
    begin({.voters = 3, .dynamic = true, .auto_join = true});
    std::int32_t other = *cluster->leader() == 1 ? 2 : 1;
    Uuid before = cluster->raft(other)->self().directory;
    cluster->crash(other);
    cluster->wipe(other);
    cluster->restart(other);
    auto joined = [&] {
        if (!cluster->settled() || cluster->voters().size() != 3) return false;
        const Raft& leads = *cluster->raft(*cluster->leader());
        return leads.voters().find(other)->key.directory != before;
    };
    EXPECT_TRUE(cluster->run_until(joined, Duration::seconds(60))) << cluster->describe();
}

}  // namespace
}  // namespace millrace::raft
