#include "core/raft/raft.h"

#include <deque>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace millrace::raft {
namespace {

Time at_ms(std::int64_t ms) { return Time() + Duration::milliseconds(ms); }

Endpoint endpoint(std::uint16_t port) { return {"CONTROLLER", "localhost", port}; }
Voter voter(std::int32_t id, Uuid directory = {}) {
    return {{id, directory}, {endpoint(static_cast<std::uint16_t>(9090 + id))}, 0, 1};
}
VoterSet three_voters() { return VoterSet({voter(1), voter(2), voter(3)}); }

Raft make(std::int32_t id, Recovered recovered) {
    Options options{.self = {id, {}},
                    .endpoints = {endpoint(static_cast<std::uint16_t>(9090 + id))}};
    return {options, std::move(recovered), Random(7)};
}

// What a driver with a perfect disk does: everything is durable before the next event.
std::string settle(Raft& raft, const Event& event, Time now) {
    std::string trace;
    std::deque<Event> events{event};
    while (!events.empty()) {
        Actions actions = raft.step(events.front(), now);
        events.pop_front();
        trace += to_string(actions);
        if (const auto& persist = actions.persist) events.push_back(StateDurable{persist->version});
        if (const auto& start = actions.epoch_start)
            events.push_back(LogDurable{start->span.end, start->generation});
        for (const Append& append : actions.appends)
            events.push_back(LogDurable{append.span.end, append.generation});
    }
    return trace;
}

TEST(RaftAlone, ElectsItselfOnceItsVoteIsStored) {
    Raft raft = make(1, {.voters = VoterHistory(VoterSet({voter(1)}))});
    EXPECT_EQ(to_string(raft.step(TimeReached{}, at_ms(0))),
              "persist #1: epoch 1 leader -1 voted 1\n"
              "candidate epoch 1 leader -1\n");
    Actions elected = raft.step(StateDurable{1}, at_ms(1));
    EXPECT_EQ(to_string(elected),
              "persist #2: epoch 1 leader 1 voted -1\n"
              "append [0,1) epoch 1: leader change\n"
              "leader epoch 1 leader 1\n");
    EXPECT_THAT(elected.epoch_start->voters, testing::ElementsAre(1));
    EXPECT_THAT(elected.epoch_start->granting, testing::ElementsAre(1));
    EXPECT_EQ(elected.wake_at, Time::never());
    EXPECT_EQ(to_string(raft.step(LogDurable{1, 1}, at_ms(2))), "high watermark 1\n");
}

TEST(RaftAlone, CommitsWhatIsStored) {
    Raft raft = make(1, {.voters = VoterHistory(VoterSet({voter(1)}))});
    settle(raft, TimeReached{}, at_ms(0));
    EXPECT_EQ(to_string(raft.step(AppendRequested{3}, at_ms(5))), "append [1,4) epoch 1\n");
    EXPECT_EQ(to_string(raft.step(AppendRequested{1}, at_ms(6))), "append [4,5) epoch 1\n");
    EXPECT_EQ(to_string(raft.step(LogDurable{4, 1}, at_ms(7))), "high watermark 4\n");
    EXPECT_EQ(to_string(raft.step(LogDurable{5, 1}, at_ms(7))), "high watermark 5\n");
}

TEST(RaftAlone, StartsANewEpochAfterARestart) {
    LogFacts log{.end = 9};
    log.epochs.assign(4, 0);
    Raft raft = make(1, {.state = {.epoch = 4, .leader = 1},
                         .log = log,
                         .voters = VoterHistory(VoterSet({voter(1)}))});
    EXPECT_EQ(settle(raft, TimeReached{}, at_ms(0)),
              "persist #1: epoch 5 leader -1 voted 1\n"
              "candidate epoch 5 leader -1\n"
              "persist #2: epoch 5 leader 1 voted -1\n"
              "append [9,10) epoch 5: leader change\n"
              "leader epoch 5 leader 1\n"
              // Nothing of earlier epochs is committed before a record of this one is.
              "high watermark 10\n");
}

TEST(RaftAlone, WritesTheVotersOfAnEmptyDynamicQuorum) {
    Uuid directory{1, 99};
    VoterHistory voters;
    voters.add(-1, VoterSet({voter(1, directory)}));
    Options options{.self = {1, directory}, .endpoints = {endpoint(9091)}};
    Recovered recovered{.voters = voters, .kraft_versions = KRaftVersionHistory(1)};
    recovered.log.earliest_snapshot = recovered.log.latest_snapshot = OffsetAndEpoch{};
    Raft raft(options, recovered, Random(1));
    raft.step(TimeReached{}, at_ms(0));
    Actions elected = raft.step(StateDurable{1}, at_ms(0));
    ASSERT_TRUE(elected.epoch_start);
    EXPECT_EQ(elected.epoch_start->span, (Span{0, 3, 1}));
    EXPECT_EQ(elected.epoch_start->voter_set, VoterSet({voter(1, directory)}));
    EXPECT_EQ(to_string(raft.step(LogDurable{3, 1}, at_ms(0))), "high watermark 3\n");
}

TEST(RaftAlone, WritesTheVotersAgainWhenItsListenerMoved) {
    Uuid directory{1, 99};
    VoterHistory voters;
    voters.add(2, VoterSet({voter(1, directory)}));
    LogFacts log{.end = 5};
    log.epochs.assign(1, 0);
    Options options{.self = {1, directory}, .endpoints = {endpoint(19091)}};
    Raft raft(options,
              {.state = {.epoch = 1},
               .log = log,
               .voters = voters,
               .kraft_versions = KRaftVersionHistory(1)},
              Random(1));
    raft.step(TimeReached{}, at_ms(0));
    Actions elected = raft.step(StateDurable{1}, at_ms(0));
    ASSERT_TRUE(elected.epoch_start && elected.epoch_start->voter_set);
    EXPECT_EQ(elected.epoch_start->voter_set->find(1)->endpoints.at(0).port, 19091);
    EXPECT_EQ(raft.voters().find(1)->endpoints.at(0).port, 19091);
}

TEST(RaftAlone, AnotherDirectoryIsNoVoter) {
    VoterHistory voters;
    voters.add(-1, VoterSet({voter(1, Uuid{1, 99})}));
    Options options{.self = {1, Uuid{1, 100}}, .endpoints = {endpoint(9091)}};
    Raft raft(options, {.voters = voters, .kraft_versions = KRaftVersionHistory(1)}, Random(1));
    settle(raft, TimeReached{}, at_ms(0));
    settle(raft, TimeReached{}, at_ms(10'000));
    EXPECT_EQ(raft.role(), Role::unattached);
    EXPECT_EQ(raft.epoch(), 0);
}

// That can only come late from a driver that syncs more than once at a time: a replica asks for
// nothing, and so cuts nothing off, before all that it has is on disk. No simulation shows it.
TEST(RaftAlone, ASyncOfWhatWasCutOffSaysNothingOfWhatIsThereNow) {
    LogFacts log{.end = 6};
    log.epochs.assign(1, 0);
    Raft raft = make(
        1,
        {.state = {.epoch = 2, .leader = 2}, .log = log, .voters = VoterHistory(three_voters())});
    std::uint64_t asked = 0;
    auto fetches = [&](const Actions& actions) {
        for (const Send& send : actions.sends) {
            if (std::holds_alternative<FetchRequest>(send.request)) asked = send.correlation;
        }
        return !actions.sends.empty();
    };
    ASSERT_TRUE(fetches(raft.step(TimeReached{}, at_ms(0))));
    FetchResponse parts{.answer = {.leader = 2, .epoch = 2}, .diverging = OffsetAndEpoch{3, 1}};
    Actions cut = raft.step(ResponseArrived{2, asked, parts}, at_ms(1));
    EXPECT_EQ(cut.truncate_to, 3);
    ASSERT_TRUE(fetches(cut));
    FetchResponse records{.answer = {.leader = 2, .epoch = 2},
                          .with_records = true,
                          .spans = {{3, 5, 2}},
                          .records = Slice::copy("records")};
    Actions appended = raft.step(ResponseArrived{2, asked, records}, at_ms(2));
    ASSERT_EQ(appended.appends.size(), 1U);
    std::uint64_t generation = appended.appends.front().generation;
    EXPECT_FALSE(fetches(raft.step(LogDurable{6, generation - 1}, at_ms(3))));
    EXPECT_TRUE(fetches(raft.step(LogDurable{5, generation}, at_ms(4))));
}

TEST(RaftAlone, ObserversDoNotKeepItInOffice) {
    Raft raft = make(1, {.voters = VoterHistory(VoterSet({voter(1)}))});
    settle(raft, TimeReached{}, at_ms(0));
    FetchRequest fetch{.replica = {5, {}}, .epoch = 1};
    settle(raft, RequestArrived{1, fetch}, at_ms(10));
    // It has gone, and others are not asked for.
    settle(raft, TimeReached{}, at_ms(60'000));
    EXPECT_TRUE(raft.is_leader());
    EXPECT_EQ(raft.epoch(), 1);
}

TEST(RaftVotes, AGrantLeavesOnlyWhenItIsStored) {
    Raft raft = make(1, {.voters = VoterHistory(three_voters())});
    raft.step(TimeReached{}, at_ms(0));
    VoteRequest request{.candidate = {2, {}}, .epoch = 3};
    EXPECT_EQ(to_string(raft.step(RequestArrived{77, request}, at_ms(1))),
              "persist #2: epoch 3 leader -1 voted 2\n"
              "unattached epoch 3 leader -1\n");
    EXPECT_EQ(to_string(raft.step(StateDurable{1}, at_ms(2))), "");
    EXPECT_THAT(to_string(raft.step(StateDurable{2}, at_ms(3))),
                testing::HasSubstr("reply #77: granted, leader -1 epoch 3\n"));
}

TEST(RaftVotes, OneVoteAnEpoch) {
    Raft raft = make(1, {.voters = VoterHistory(three_voters())});
    settle(raft, RequestArrived{1, VoteRequest{.candidate = {2, {}}, .epoch = 3}}, at_ms(1));
    auto ask = [&](std::int32_t candidate) {
        return settle(raft,
                      RequestArrived{2, VoteRequest{.candidate = {candidate, {}}, .epoch = 3}},
                      at_ms(2));
    };
    EXPECT_THAT(ask(3), testing::HasSubstr("reply #2: refused"));
    EXPECT_THAT(ask(2), testing::HasSubstr("reply #2: granted"));
}

TEST(RaftVotes, AVoteSurvivesARestart) {
    Raft raft =
        make(1, {.state = {.epoch = 3, .voted = {2, {}}}, .voters = VoterHistory(three_voters())});
    EXPECT_THAT(
        settle(raft, RequestArrived{1, VoteRequest{.candidate = {3, {}}, .epoch = 3}}, at_ms(1)),
        testing::HasSubstr("refused"));
}

TEST(RaftVotes, AnEpochThatNoElectionComesToIsRefused) {
    Raft raft = make(1, {.state = {.epoch = 2}, .voters = VoterHistory(three_voters())});
    for (std::int32_t epoch :
         {std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
        VoteRequest request{.candidate = {2, {}}, .epoch = epoch};
        EXPECT_THAT(settle(raft, RequestArrived{1, request}, at_ms(1)),
                    testing::HasSubstr("error INVALID_REQUEST"));
        EXPECT_EQ(raft.epoch(), 2);
    }
}

TEST(RaftVotes, AShorterLogIsRefused) {
    LogFacts log{.end = 10};
    log.epochs.assign(2, 0);
    Raft raft =
        make(1, {.state = {.epoch = 2}, .log = log, .voters = VoterHistory(three_voters())});
    auto ask = [&](OffsetAndEpoch last, std::int32_t epoch) {
        VoteRequest request{.candidate = {2, {}}, .epoch = epoch, .last = last};
        return settle(raft, RequestArrived{1, request}, at_ms(1));
    };
    EXPECT_THAT(ask({9, 2}, 3), testing::HasSubstr("refused"));
    EXPECT_THAT(ask({20, 1}, 4), testing::HasSubstr("refused"));
    EXPECT_THAT(ask({10, 2}, 5), testing::HasSubstr("granted"));
    EXPECT_THAT(ask({0, 9}, 9), testing::HasSubstr("error INVALID_REQUEST"));
    EXPECT_THAT(ask({10, 2}, 3), testing::HasSubstr("error FENCED_LEADER_EPOCH"));
}

TEST(RaftVotes, PreVotesChangeNothing) {
    Raft raft = make(1, {.voters = VoterHistory(three_voters())});
    raft.step(TimeReached{}, at_ms(0));
    VoteRequest request{.candidate = {2, {}}, .epoch = 0, .pre_vote = true};
    EXPECT_EQ(to_string(raft.step(RequestArrived{5, request}, at_ms(1))),
              "reply #5: granted, leader -1 epoch 0\n");
}

TEST(RaftVotes, ARequestForAnotherDirectoryIsRefused) {
    Options options{.self = {1, Uuid{1, 5}}, .endpoints = {endpoint(9091)}};
    Raft raft(options, {.voters = VoterHistory(three_voters())}, Random(1));
    VoteRequest request{.candidate = {2, {}}, .epoch = 1, .voter = {1, Uuid{1, 6}}};
    EXPECT_THAT(settle(raft, RequestArrived{1, request}, at_ms(0)),
                testing::HasSubstr("error INVALID_VOTER_KEY"));
}

TEST(RaftOfThree, AnElectionGoesThroughPreVoteAndVote) {
    Raft raft = make(1, {.voters = VoterHistory(three_voters())});
    settle(raft, TimeReached{}, at_ms(0));
    EXPECT_EQ(settle(raft, TimeReached{}, at_ms(2000)),
              "send to 2: pre-vote epoch 0 candidate 1 log 0@0\n"
              "send to 3: pre-vote epoch 0 candidate 1 log 0@0\n"
              "prospective epoch 0 leader -1\n");
    Actions actions = raft.step(ResponseArrived{3, 3, VoteResponse{.granted = true}}, at_ms(2001));
    EXPECT_EQ(to_string(actions),
              "persist #1: epoch 1 leader -1 voted 1\n"
              "candidate epoch 1 leader -1\n");
    actions = raft.step(StateDurable{1}, at_ms(2002));
    EXPECT_EQ(to_string(actions),
              "send to 2: vote epoch 1 candidate 1 log 0@0\n"
              "send to 3: vote epoch 1 candidate 1 log 0@0\n");
    EXPECT_EQ(settle(raft,
                     ResponseArrived{2, actions.sends[0].correlation,
                                     VoteResponse{.answer = {.epoch = 1}, .granted = true}},
                     at_ms(2003)),
              "persist #2: epoch 1 leader 1 voted -1\n"
              "append [0,1) epoch 1: leader change\n"
              "leader epoch 1 leader 1\n"
              "send to 2: begin epoch 1 leader 1\n"
              "send to 3: begin epoch 1 leader 1\n");
}

// A follower of epoch 3, led by 2, that was told to fetch a snapshot at 0 ms.
Raft fetching_a_snapshot() {
    Raft raft =
        make(1, {.state = {.epoch = 3, .leader = 2}, .voters = VoterHistory(three_voters())});
    Actions actions = raft.step(TimeReached{}, at_ms(0));
    EXPECT_EQ(actions.sends.size(), 1U);
    FetchResponse response{.answer = {.leader = 2, .epoch = 3}, .snapshot = OffsetAndEpoch{50, 3}};
    actions = raft.step(ResponseArrived{2, actions.sends.at(0).correlation, response}, at_ms(0));
    EXPECT_TRUE(actions.fetch_snapshot);
    return raft;
}

TEST(RaftOfThree, PiecesOfASnapshotKeepAFollowerAtItsLeader) {
    Raft raft = fetching_a_snapshot();
    for (std::int64_t ms = 1500; ms <= 9000; ms += 1500)
        settle(raft, SnapshotPieceFetched{}, at_ms(ms));
    EXPECT_EQ(raft.role(), Role::follower);
    settle(raft, SnapshotFetched{OffsetAndEpoch{50, 3}, {}, 0}, at_ms(9100));
    EXPECT_EQ(raft.log().last(), (OffsetAndEpoch{50, 3}));
    EXPECT_EQ(raft.high_watermark(), 50);
    EXPECT_EQ(raft.voters(), three_voters());  // of the config, as the snapshot names none

    Raft left = fetching_a_snapshot();
    settle(left, TimeReached{}, at_ms(2500));
    EXPECT_EQ(left.role(), Role::prospective);
}

TEST(RaftOfThree, ASnapshotThatLacksWhatIsCommittedIsNotFetched) {
    LogFacts log{.end = 80};
    log.epochs.assign(3, 0);
    Raft raft = make(
        1,
        {.state = {.epoch = 3, .leader = 2}, .log = log, .voters = VoterHistory(three_voters())});
    Actions actions = raft.step(TimeReached{}, at_ms(0));
    FetchResponse committed{.answer = {.leader = 2, .epoch = 3}, .high_watermark = 80};
    actions = raft.step(ResponseArrived{2, actions.sends.at(0).correlation, committed}, at_ms(1));
    EXPECT_EQ(raft.leader_high_watermark(), 80);
    ASSERT_EQ(actions.sends.size(), 1U);
    FetchResponse response{.answer = {.leader = 2, .epoch = 3}, .snapshot = OffsetAndEpoch{50, 3}};
    actions = raft.step(ResponseArrived{2, actions.sends.at(0).correlation, response}, at_ms(2));
    EXPECT_FALSE(actions.fetch_snapshot);
    EXPECT_FALSE(raft.fetching_snapshot());
}

}  // namespace
}  // namespace millrace::raft
