#include "core/groups/classic_group.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace millrace::groups {
namespace {

// One group with its driver: replies are kept by ticket, writes are committed when asked to.
class Harness {
  public:
    Time now = Time::from_ns(0) + Duration::seconds(100);
    GroupOptions options;
    ClassicGroup group{"g", options};
    std::map<Ticket, Reply> replies;
    std::vector<Write> writes;
    Ticket last = 0;
    int ids = 0;

    JoinGroupRequest join_request(std::string member_id = "",
                                  std::vector<std::string> protocols = {"range"}) {
        JoinGroupRequest request{.group_id = "g",
                                 .session_timeout_ms = 10'000,
                                 .rebalance_timeout_ms = 60'000,
                                 .member_id = std::move(member_id),
                                 .protocol_type = "consumer"};
        for (auto& name : protocols) {
            request.protocols.push_back({.name = name, .metadata = Slice::copy("sub-" + name)});
        }
        return request;
    }
    Ticket join(const JoinGroupRequest& request, std::int16_t version = 9) {
        Actions actions;
        std::string id = "member-" + std::to_string(++ids);
        group.join(request, version, {"client", "/127.0.0.1"}, id, ++last, now, actions);
        take(std::move(actions));
        return last;
    }
    Ticket sync(const std::string& member, std::int32_t generation,
                std::vector<std::pair<std::string, std::string>> assignments = {}) {
        SyncGroupRequest request{.group_id = "g", .generation_id = generation, .member_id = member};
        for (auto& [id, bytes] : assignments) {
            request.assignments.push_back({.member_id = id, .assignment = Slice::copy(bytes)});
        }
        Actions actions;
        group.sync(request, ++last, now, actions);
        take(std::move(actions));
        return last;
    }
    ErrorCode heartbeat(const std::string& member, std::int32_t generation) {
        return group.heartbeat({.group_id = "g", .generation_id = generation, .member_id = member},
                               now);
    }
    void pass(Duration time) {
        Time end = now + time;
        while (now < end) {
            now = std::min(end, std::max(group.wake_at(), now + Duration::milliseconds(1)));
            Actions actions;
            group.tick(now, actions);
            take(std::move(actions));
        }
    }
    void commit_writes(ErrorCode outcome = ErrorCode::none) {
        for (Write& write : std::exchange(writes, {})) {
            Actions actions;
            group.written(write.id, outcome, now, actions);
            take(std::move(actions));
        }
    }
    bool answered(Ticket ticket) const { return replies.contains(ticket); }
    const JoinGroupResponse& joined(Ticket ticket) {
        return std::get<JoinGroupResponse>(replies.at(ticket).response);
    }
    const SyncGroupResponse& synced(Ticket ticket) {
        return std::get<SyncGroupResponse>(replies.at(ticket).response);
    }
    void take(Actions actions) {
        for (Reply& reply : actions.replies) {
            Ticket ticket = reply.ticket;
            EXPECT_TRUE(replies.emplace(ticket, std::move(reply)).second)
                << "answered twice: " << ticket;
        }
        std::ranges::move(actions.writes, std::back_inserter(writes));
    }
    // A stable group of dynamic members; returns their ids, the leader first.
    std::vector<std::string> stable(int members) {
        std::vector<Ticket> tickets;
        for (int i = 0; i < members; ++i) tickets.push_back(join(join_request(), 3));
        pass(options.initial_rebalance_delay * 2);
        std::vector<std::string> ids_of;
        for (Ticket ticket : tickets) ids_of.push_back(joined(ticket).member_id);
        std::string leader = joined(tickets[0]).leader;
        std::ranges::partition(ids_of, [&](const auto& id) { return id == leader; });
        std::vector<std::pair<std::string, std::string>> assignments;
        for (const auto& id : ids_of) assignments.emplace_back(id, "for-" + id);
        for (std::size_t i = 1; i < ids_of.size(); ++i) sync(ids_of[i], group.generation());
        sync(ids_of[0], group.generation(), assignments);
        commit_writes();
        EXPECT_EQ(group.state(), GroupState::stable);
        return ids_of;
    }
};

TEST(ClassicGroup, ANewMemberIsGivenAnIdFirst) {
    Harness h;
    Ticket first = h.join(h.join_request());
    EXPECT_EQ(h.joined(first).error_code, ErrorCode::member_id_required);
    std::string id = h.joined(first).member_id;
    Ticket second = h.join(h.join_request(id));
    EXPECT_FALSE(h.answered(second)) << "the first rebalance waits for company";
    h.pass(Duration::seconds(3));
    ASSERT_TRUE(h.answered(second));
    EXPECT_EQ(h.joined(second).error_code, ErrorCode::none);
    EXPECT_EQ(h.joined(second).generation_id, 1);
    EXPECT_EQ(h.joined(second).leader, id);
    ASSERT_EQ(h.joined(second).members.size(), 1U);
    EXPECT_EQ(h.joined(second).members[0].metadata.view(), "sub-range");
}

TEST(ClassicGroup, MembersGetWhatTheLeaderAssignedOnceItIsCommitted) {
    Harness h;
    Ticket a = h.join(h.join_request(), 3);
    Ticket b = h.join(h.join_request(), 3);
    h.pass(Duration::seconds(7));
    std::string leader = h.joined(a).leader;
    EXPECT_EQ(h.joined(b).leader, leader);
    std::string follower =
        leader == h.joined(a).member_id ? h.joined(b).member_id : h.joined(a).member_id;
    Ticket follower_sync = h.sync(follower, 1);
    Ticket leader_sync = h.sync(leader, 1, {{leader, "L"}, {follower, "F"}});
    EXPECT_FALSE(h.answered(leader_sync));
    ASSERT_EQ(h.writes.size(), 1U);
    EXPECT_EQ(h.writes[0].value.members.size(), 2U);
    h.commit_writes();
    EXPECT_EQ(h.synced(follower_sync).assignment.view(), "F");
    EXPECT_EQ(h.synced(leader_sync).assignment.view(), "L");
    EXPECT_EQ(h.heartbeat(follower, 1), ErrorCode::none);
    EXPECT_EQ(h.heartbeat(follower, 0), ErrorCode::illegal_generation);
    EXPECT_EQ(h.heartbeat("stranger", 1), ErrorCode::unknown_member_id);
}

TEST(ClassicGroup, AFailedWriteSendsEveryoneBackToJoin) {
    Harness h;
    Ticket a = h.join(h.join_request(), 3);
    h.pass(Duration::seconds(4));
    std::string id = h.joined(a).member_id;
    Ticket sync = h.sync(id, 1, {{id, "L"}});
    h.commit_writes(ErrorCode::not_coordinator);
    EXPECT_EQ(h.synced(sync).error_code, ErrorCode::not_coordinator);
    EXPECT_EQ(h.group.state(), GroupState::preparing_rebalance);
}

TEST(ClassicGroup, ANewcomerMakesTheOthersRejoin) {
    Harness h;
    auto ids = h.stable(2);
    Ticket third = h.join(h.join_request(), 3);
    EXPECT_EQ(h.heartbeat(ids[0], 1), ErrorCode::rebalance_in_progress);
    Ticket a = h.join(h.join_request(ids[0]));
    EXPECT_FALSE(h.answered(third));
    Ticket b = h.join(h.join_request(ids[1]));
    EXPECT_EQ(h.joined(third).generation_id, 2);
    EXPECT_EQ(h.joined(a).generation_id, 2);
    EXPECT_EQ(h.joined(b).leader, ids[0]) << "the leader stays";
}

TEST(ClassicGroup, WhoDoesNotRejoinInTimeIsOut) {
    Harness h;
    auto ids = h.stable(2);
    Ticket third = h.join(h.join_request(), 3);
    Ticket a = h.join(h.join_request(ids[0]));
    h.pass(Duration::seconds(11));  // its session ends first
    EXPECT_EQ(h.joined(third).generation_id, 2);
    EXPECT_EQ(h.joined(a).generation_id, 2);
    EXPECT_EQ(h.group.size(), 2U);
    EXPECT_EQ(h.heartbeat(ids[1], 2), ErrorCode::unknown_member_id);
}

TEST(ClassicGroup, SilentMembersExpireAndAnEmptyGroupIsWrittenDown) {
    Harness h;
    h.stable(1);
    h.pass(Duration::seconds(11));
    EXPECT_EQ(h.group.state(), GroupState::empty);
    ASSERT_EQ(h.writes.size(), 1U);
    EXPECT_TRUE(h.writes[0].value.members.empty());
    EXPECT_EQ(h.writes[0].value.generation, 2);
}

TEST(ClassicGroup, MembersThatNeverSyncAreRemoved) {
    Harness h;
    Ticket a = h.join(h.join_request(), 3);
    Ticket b = h.join(h.join_request(), 3);
    h.pass(Duration::seconds(7));
    std::string leader = h.joined(a).leader;
    std::string other =
        leader == h.joined(a).member_id ? h.joined(b).member_id : h.joined(a).member_id;
    for (int i = 0; i < 8; ++i) {
        h.heartbeat(leader, 1);
        h.heartbeat(other, 1);
        h.pass(Duration::seconds(8));
    }
    EXPECT_EQ(h.group.size(), 0U) << "neither synced within the rebalance timeout";
}

TEST(ClassicGroup, AStaticMemberComesBackWithoutARebalance) {
    Harness h;
    JoinGroupRequest request = h.join_request();
    request.group_instance_id = "i1";
    Ticket a = h.join(request);
    h.pass(Duration::seconds(4));
    std::string old_id = h.joined(a).member_id;
    h.sync(old_id, 1, {{old_id, "mine"}});
    h.commit_writes();
    Ticket again = h.join(request);
    EXPECT_FALSE(h.answered(again)) << "its new id must be committed first";
    h.commit_writes();
    EXPECT_EQ(h.joined(again).error_code, ErrorCode::none);
    EXPECT_EQ(h.joined(again).generation_id, 1);
    EXPECT_TRUE(h.joined(again).skip_assignment);
    std::string new_id = h.joined(again).member_id;
    EXPECT_NE(new_id, old_id);
    EXPECT_EQ(h.synced(h.sync(new_id, 1)).assignment.view(), "mine");
    EXPECT_EQ(
        h.group.heartbeat(
            {.group_id = "g", .generation_id = 1, .member_id = old_id, .group_instance_id = "i1"},
            h.now),
        ErrorCode::fenced_instance_id);
}

TEST(ClassicGroup, LeavingTriggersARebalanceOfTheRest) {
    Harness h;
    auto ids = h.stable(2);
    LeaveGroupRequest request{.group_id = "g"};
    request.members.push_back({.member_id = ids[1]});
    request.members.push_back({.member_id = "stranger"});
    Actions actions;
    LeaveGroupResponse response = h.group.leave(request, 3, h.now, actions);
    h.take(std::move(actions));
    ASSERT_EQ(response.members.size(), 2U);
    EXPECT_EQ(response.members[0].error_code, ErrorCode::none);
    EXPECT_EQ(response.members[1].error_code, ErrorCode::unknown_member_id);
    EXPECT_EQ(h.group.state(), GroupState::preparing_rebalance);
    Ticket a = h.join(h.join_request(ids[0]));
    EXPECT_EQ(h.joined(a).members.size(), 1U);
}

TEST(ClassicGroup, ProtocolsMustMeet) {
    Harness h;
    h.stable(1);
    Ticket odd = h.join(h.join_request("", {"other"}), 3);
    EXPECT_EQ(h.joined(odd).error_code, ErrorCode::inconsistent_group_protocol);
    JoinGroupRequest connect = h.join_request();
    connect.protocol_type = "connect";
    EXPECT_EQ(h.joined(h.join(connect, 3)).error_code, ErrorCode::inconsistent_group_protocol);
}

TEST(ClassicGroup, HasALargestSize) {
    Harness h;
    h.options.max_size = 2;
    // Three are given ids before any of them has joined.
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(h.joined(h.join(h.join_request())).member_id);
    Ticket a = h.join(h.join_request(ids[0]));
    Ticket b = h.join(h.join_request(ids[1]));
    Ticket c = h.join(h.join_request(ids[2]));
    ASSERT_TRUE(h.answered(c));
    EXPECT_EQ(h.joined(c).error_code, ErrorCode::group_max_size_reached);
    h.pass(Duration::seconds(7));
    EXPECT_EQ(h.joined(a).generation_id, 1);
    EXPECT_EQ(h.joined(b).generation_id, 1);
    EXPECT_EQ(h.joined(h.join(h.join_request(), 3)).error_code, ErrorCode::group_max_size_reached);
    Ticket again = h.join(h.join_request(ids[0]));
    EXPECT_TRUE(!h.answered(again) || h.joined(again).error_code == ErrorCode::none);
}

TEST(ClassicGroup, ATooLargeOneShedsWhoComesBackLast) {
    Harness h;
    auto ids = h.stable(3);
    h.options.max_size = 2;  // the broker was started with another config
    JoinGroupRequest other = h.join_request(ids[0], {"range", "roundrobin"});
    Ticket a = h.join(other);
    Ticket b = h.join(h.join_request(ids[1]));
    Ticket c = h.join(h.join_request(ids[2]));
    EXPECT_EQ(h.joined(c).error_code, ErrorCode::group_max_size_reached);
    EXPECT_EQ(h.joined(a).generation_id, 2) << "nobody else is waited for";
    EXPECT_EQ(h.joined(b).generation_id, 2);
    EXPECT_EQ(h.group.size(), 2U);
}

// KIP-429: partitions are given up in one generation and given out in the next.
TEST(ClassicGroup, ACooperativeRebalanceTakesTwoGenerations) {
    Harness h;
    auto ids = h.stable(1);
    Ticket newcomer = h.join(h.join_request(), 3);
    Ticket leader = h.join(h.join_request(ids[0]));
    std::string second = h.joined(newcomer).member_id;
    EXPECT_EQ(h.joined(leader).generation_id, 2);
    Ticket first_sync = h.sync(second, 2);
    h.sync(ids[0], 2, {{ids[0], "keeps"}, {second, ""}});
    h.commit_writes();
    EXPECT_EQ(h.synced(first_sync).assignment.view(), "") << "nothing is free yet";
    leader = h.join(h.join_request(ids[0]));
    EXPECT_EQ(h.heartbeat(second, 2), ErrorCode::rebalance_in_progress);
    h.join(h.join_request(second));
    EXPECT_EQ(h.joined(leader).generation_id, 3);
    Ticket second_sync = h.sync(second, 3);
    h.sync(ids[0], 3, {{ids[0], "keeps"}, {second, "freed"}});
    h.commit_writes();
    EXPECT_EQ(h.synced(second_sync).assignment.view(), "freed");
}

TEST(ClassicGroup, WhenTheLeaderLeavesAnotherLeads) {
    Harness h;
    auto ids = h.stable(3);
    LeaveGroupRequest request{.group_id = "g"};
    request.members.push_back({.member_id = ids[0]});
    Actions actions;
    h.group.leave(request, 3, h.now, actions);
    h.take(std::move(actions));
    Ticket a = h.join(h.join_request(ids[1]));
    Ticket b = h.join(h.join_request(ids[2]));
    EXPECT_EQ(h.joined(a).leader, h.joined(b).leader);
    EXPECT_NE(h.joined(a).leader, ids[0]);
    EXPECT_EQ(h.joined(a).members.size() + h.joined(b).members.size(), 2U)
        << "only the leader is told the members";
}

TEST(ClassicGroup, SessionTimeoutsHaveBounds) {
    Harness h;
    JoinGroupRequest request = h.join_request();
    request.session_timeout_ms = 5'999;
    EXPECT_EQ(h.joined(h.join(request, 3)).error_code, ErrorCode::invalid_session_timeout);
    request.session_timeout_ms = 1'800'001;
    EXPECT_EQ(h.joined(h.join(request, 3)).error_code, ErrorCode::invalid_session_timeout);
    EXPECT_EQ(h.group.size(), 0U);
}

TEST(ClassicGroup, RestoresFromItsRecord) {
    Harness h;
    auto ids = h.stable(2);
    h.join(h.join_request(ids[0]));
    Harness other;
    GroupMetadataValue value{
        .protocol_type = "consumer", .generation = 4, .protocol = "range", .leader = "m1"};
    value.members.push_back({.member_id = "m1",
                             .client_id = "c",
                             .client_host = "/h",
                             .rebalance_timeout = 60'000,
                             .session_timeout = 10'000,
                             .assignment = Slice::copy("A")});
    other.group.restore(value, std::nullopt, other.now);
    EXPECT_EQ(other.group.state(), GroupState::stable);
    EXPECT_EQ(other.heartbeat("m1", 4), ErrorCode::none);
    EXPECT_EQ(other.synced(other.sync("m1", 4)).assignment.view(), "A");
}

TEST(ClassicGroup, EndAnswersWhoWaits) {
    Harness h;
    Ticket waiting = h.join(h.join_request(), 3);
    Actions actions;
    h.group.end(ErrorCode::not_coordinator, actions);
    h.take(std::move(actions));
    EXPECT_EQ(h.joined(waiting).error_code, ErrorCode::not_coordinator);
}

TEST(ClassicGroup, ThousandsOfMembersComeToRest) {
    Harness harness;
    constexpr int count = 5'000;
    std::vector<Ticket> joins;
    for (int i = 0; i < count; ++i) joins.push_back(harness.join(harness.join_request(), 3));
    harness.pass(Duration::seconds(10));
    std::vector<std::string> ids;
    for (Ticket ticket : joins) {
        ids.push_back(std::get<JoinGroupResponse>(harness.replies.at(ticket).response).member_id);
    }
    EXPECT_EQ(harness.group.state(), GroupState::completing_rebalance);
    std::int32_t generation = harness.group.generation();
    // Another one comes: all join again, the last of them completes the rebalance.
    harness.join(harness.join_request(), 3);
    for (const std::string& id : ids) {
        EXPECT_EQ(harness.group.generation(), generation);
        harness.join(harness.join_request(id), 3);
    }
    EXPECT_EQ(harness.group.generation(), generation + 1);
    EXPECT_EQ(harness.group.size(), static_cast<std::size_t>(count) + 1);
}

}  // namespace
}  // namespace millrace::groups
