#include "quorum/raft_wire.h"

#include <gtest/gtest.h>

#include "protocol/frame.h"
#include "quorum/control_records.h"
#include "records/builder.h"

namespace millrace::quorum {
namespace {

constexpr std::string_view cluster = "the-cluster";
constexpr std::string_view listener = "CONTROLLER";
const raft::ReplicaKey one{1, Uuid{3, 1}};
const raft::ReplicaKey two{2, Uuid{3, 2}};
const std::vector<raft::Endpoint> heard{{"CONTROLLER", "one.example", 9093}};

// As it arrives at the other side, in every version that can tell it.
template <typename Message>
Message over_the_wire(const Message& message, std::int16_t version) {
    Writer out(256);
    Result<> encoded = message.encode(out, version);
    EXPECT_TRUE(encoded) << encoded.error().message;
    static std::vector<Slice> kept;  // what views point into
    kept.push_back(std::move(out).finish().in_memory());
    Reader in(kept.back());
    auto decoded = Message::decode(in, version);
    EXPECT_TRUE(decoded) << decoded.error().message;
    return *std::move(decoded);
}

TEST(RaftWireTest, AVoteRequestArrivesWhole) {
    raft::VoteRequest request{
        .candidate = one, .epoch = 7, .last = {100, 6}, .pre_vote = true, .voter = two};
    auto told = from_wire(over_the_wire(to_wire(request, cluster), 2), cluster);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->candidate, one);
    EXPECT_EQ(told->epoch, 7);
    EXPECT_EQ(told->last, (raft::OffsetAndEpoch{100, 6}));
    EXPECT_TRUE(told->pre_vote);
    EXPECT_EQ(told->voter, two);
    // The first version knows neither directories nor whom it is for.
    request.pre_vote = false;
    told = from_wire(over_the_wire(to_wire(request, cluster), 0), cluster);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->candidate, (raft::ReplicaKey{1, Uuid()}));
    EXPECT_EQ(told->voter.id, raft::no_node);
}

TEST(RaftWireTest, AnotherClusterAndOtherPartitionsAreRefused) {
    VoteRequest vote = to_wire(raft::VoteRequest{.candidate = one, .voter = two}, cluster);
    auto refused = from_wire(vote, "another");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::inconsistent_cluster_id);
    vote.cluster_id.reset();
    EXPECT_TRUE(from_wire(vote, "another"));
    vote.topics.front().topic_name = "orders";
    refused = from_wire(vote, cluster);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
    vote.topics.clear();
    EXPECT_FALSE(from_wire(vote, cluster));
}

TEST(RaftWireTest, TheEndOfAnEpochNamesSuccessorsInEveryVersion) {
    raft::EndEpochRequest request{.leader = 1, .epoch = 4, .successors = {two, one}};
    auto told = from_wire(over_the_wire(to_wire(request, cluster), 1), cluster);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->successors, (std::vector{two, one}));
    told = from_wire(over_the_wire(to_wire(request, cluster), 0), cluster);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->successors, (std::vector<raft::ReplicaKey>{{2, Uuid()}, {1, Uuid()}}));
}

TEST(RaftWireTest, TheBeginningOfAnEpochTellsWhereTheLeaderIsHeard) {
    raft::BeginEpochRequest request{.leader = 1, .epoch = 4, .voter = two, .endpoints = heard};
    auto told = from_wire(over_the_wire(to_wire(request, cluster), 1), cluster);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->endpoints, heard);
    EXPECT_EQ(told->voter, two);
}

TEST(RaftWireTest, AFetchTellsItsReplicaInEveryVersion) {
    raft::FetchRequest request{.replica = two,
                               .epoch = 9,
                               .from = {50, 8},
                               .high_watermark = 44,
                               .max_wait = Duration::milliseconds(500)};
    for (std::int16_t version : {12, 14, 15, 16, 17, 18}) {
        auto wire = to_wire(request, cluster, version, 1 << 20);
        auto told = from_wire(over_the_wire(wire, version), cluster);
        ASSERT_TRUE(told) << version;
        EXPECT_EQ(told->replica.id, 2);
        EXPECT_EQ(told->replica.directory, version >= 17 ? two.directory : Uuid());
        EXPECT_EQ(told->epoch, 9);
        EXPECT_EQ(told->from, (raft::OffsetAndEpoch{50, 8}));
        EXPECT_EQ(told->max_wait, Duration::milliseconds(500));
        // Nobody else is told when it moves.
        EXPECT_EQ(told->high_watermark,
                  version >= 18 ? 44 : std::numeric_limits<std::int64_t>::max());
    }
}

TEST(RaftWireTest, AnAnswerTellsWhereTheLeaderIsHeard) {
    raft::VoteResponse response{{.leader = 1, .epoch = 5, .endpoints = heard}, true};
    auto told = from_wire(over_the_wire(to_wire(response, listener, 2), 2), listener);
    ASSERT_TRUE(told);
    EXPECT_TRUE(told->granted);
    EXPECT_EQ(told->answer.leader, 1);
    EXPECT_EQ(told->answer.endpoints, heard);
    told = from_wire(over_the_wire(to_wire(response, listener, 0), 0), listener);
    ASSERT_TRUE(told);
    EXPECT_TRUE(told->answer.endpoints.empty());
    // On another listener the leader may have no address.
    EXPECT_TRUE(to_wire(response, "OTHER", 2).node_endpoints.empty());
}

TEST(RaftWireTest, AnErrorOfTheWholeAnswerIsNone) {
    auto told = from_wire(VoteResponse{.error_code = ErrorCode::inconsistent_cluster_id}, listener);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, ErrorCode::inconsistent_cluster_id);
    EXPECT_FALSE(from_wire(VoteResponse(), listener));
}

Slice batch_of(std::int64_t base, std::int32_t epoch, int records) {
    BatchBuilder builder({.base_offset = base, .leader_epoch = epoch});
    for (int i = 0; i < records; ++i)
        builder.append(0, std::nullopt, as_bytes(std::string_view("record")));
    return builder.build();
}

FetchResponse answer_with(Chain records) {
    static const raft::FetchResponse response{
        .answer = {.leader = 1, .epoch = 5, .endpoints = heard}, .high_watermark = 12};
    FetchResponse wire = to_wire(response, listener, 18);
    wire.responses.front().partitions.front().records = std::move(records);
    return wire;
}

TEST(RaftWireTest, FetchedBatchesAreSpans) {
    Chain records;
    records.append(batch_of(10, 4, 2));
    records.append(batch_of(12, 4, 1));
    raft::EpochStart start{.span = {13, 16, 5}, .leader = 1, .voters = {1}, .kraft_version = 1};
    start.voter_set = raft::VoterSet({{one, heard, 0, 1}});
    records.append(epoch_start_batch(start, 0));
    std::uint64_t whole = records.size();
    records.append(batch_of(16, 5, 1).slice(0, 40));  // cut short
    auto told = from_wire(over_the_wire(answer_with(records), 18), listener);
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(told->spans, (std::vector<raft::Span>{{10, 13, 4}, {13, 16, 5}}));
    EXPECT_EQ(told->records.size(), whole);
    ASSERT_EQ(told->control.kraft_versions.size(), 1U);
    EXPECT_EQ(told->control.kraft_versions.front().value, 1);
    ASSERT_EQ(told->control.voters.size(), 1U);
    EXPECT_EQ(told->control.voters.front().offset, 15);
    EXPECT_EQ(told->control.voters.front().value, *start.voter_set);
    EXPECT_EQ(told->answer.endpoints, heard);
    EXPECT_EQ(told->high_watermark, 12);
}

TEST(RaftWireTest, ADamagedBatchIsRefused) {
    Slice batch = batch_of(10, 4, 2);
    Slice damaged = Slice::copy(batch.bytes());
    const_cast<std::uint8_t&>(damaged.bytes().back()) ^= 1U;
    auto told = from_wire(answer_with(Chain(damaged)), listener);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, ErrorCode::corrupt_message);
}

TEST(RaftWireTest, DivergenceAndSnapshotsAreTold) {
    raft::FetchResponse response{.answer = {.leader = 1, .epoch = 5, .endpoints = heard}};
    response.diverging = raft::OffsetAndEpoch{30, 3};
    auto told = from_wire(over_the_wire(to_wire(response, listener, 18), 18), listener);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->diverging, response.diverging);
    EXPECT_FALSE(told->snapshot);
    response.diverging.reset();
    response.snapshot = raft::OffsetAndEpoch{40, 4};
    told = from_wire(over_the_wire(to_wire(response, listener, 18), 18), listener);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->snapshot, response.snapshot);
}

}  // namespace
}  // namespace millrace::quorum
