#include "core/groups/streams_groups.h"

#include <gtest/gtest.h>

#include "core/groups/consumer_groups_for_tests.h"
#include "core/groups/group_records.h"

namespace millrace::groups {
namespace {

using Request = StreamsGroupHeartbeatRequest;

class Bench : public ConsumerGroupBench {
  public:
    Bench() {
        options.streams.settings = [this](const metadata::Image&, const std::string&) {
            return settings;
        };
    }
    StreamsGroupHeartbeatResponse beat(const Request& request) {
        auto decision = groups.streams_heartbeat(request, {"c", "/127.0.0.1"}, now);
        conclude(request.group_id, decision.records, {});
        missing = std::move(decision.missing);
        return decision.response;
    }
    StreamsGroupHeartbeatResponse join(const std::string& member, Request::Topology topology) {
        return beat({.group_id = "g",
                     .member_id = member,
                     .rebalance_timeout_ms = 60'000,
                     .topology = std::move(topology),
                     .process_id = "p-" + member});
    }
    void let_time_pass(Duration time) {
        now = now + time;
        while (auto records = groups.next_streams_due(now)) conclude("g", std::move(*records), {});
    }
    const StreamsGroup& group() const { return *groups.streams().find("g"); }
    // Of one subtopology "0".
    static Request::Topology reading(std::vector<std::string> topics) {
        Request::Topology told;
        auto& only = told.subtopologies.emplace_back();
        only.subtopology_id = "0";
        only.source_topics = std::move(topics);
        return told;
    }
    static int status_of(const StreamsGroupHeartbeatResponse& response) {
        return response.status && !response.status->empty() ? response.status->front().status_code
                                                            : -1;
    }

    StreamsSettings settings{.times = {.assignment_interval = Duration()},
                             .initial_rebalance_delay = Duration()};
    std::vector<CreateTopicsRequest::CreatableTopic> missing;
};

int code(StreamsStatus status) { return static_cast<int>(status); }

TEST(StreamsGroupsTest, AnEmptyGroupWaitsForMore) {
    Bench bench;
    bench.settings.initial_rebalance_delay = Duration::seconds(3);
    bench.create_topic("t", 4);
    EXPECT_EQ(Bench::status_of(bench.join("a", Bench::reading({"t"}))),
              code(StreamsStatus::assignment_delayed));
    bench.join("b", Bench::reading({"t"}));
    EXPECT_EQ(bench.group().state(), "Assigning");
    bench.let_time_pass(Duration::seconds(3));
    EXPECT_EQ(bench.group().target_of("a").active.at("0").size(), 2U);
    EXPECT_EQ(bench.group().target_of("b").active.at("0").size(), 2U);
    auto told = bench.beat({.group_id = "g", .member_id = "a", .member_epoch = 1});
    ASSERT_TRUE(told.active_tasks);
    EXPECT_EQ(told.active_tasks->front().partitions.size(), 2U);
}

TEST(StreamsGroupsTest, InternalTopicsAreAskedForUntilTheyAreThere) {
    Bench bench;
    bench.create_topic("t", 3);
    auto topology = Bench::reading({"t"});
    auto& changelog = topology.subtopologies.front().state_changelog_topics.emplace_back();
    changelog.name = "g-changelog";
    changelog.replication_factor = 2;
    changelog.topic_configs.push_back({"cleanup.policy", "compact"});
    auto told = bench.join("a", topology);
    EXPECT_EQ(Bench::status_of(told), code(StreamsStatus::missing_internal_topics));
    ASSERT_EQ(bench.missing.size(), 1U);
    EXPECT_EQ(bench.missing.front().num_partitions, 3);
    EXPECT_EQ(bench.missing.front().replication_factor, 2);
    EXPECT_EQ(bench.missing.front().configs.front().value, "compact");
    EXPECT_EQ(bench.group().state(), "NotReady");
    bench.create_topic("g-changelog", 3);
    told = bench.beat({.group_id = "g", .member_id = "a", .member_epoch = told.member_epoch});
    EXPECT_EQ(Bench::status_of(told), -1);
    EXPECT_EQ(bench.group().state(), "Stable");
    EXPECT_TRUE(bench.missing.empty());
}

TEST(StreamsGroupsTest, SilentMembersAreFenced) {
    Bench bench;
    bench.create_topic("t", 2);
    bench.join("a", Bench::reading({"t"}));
    bench.let_time_pass(Duration::seconds(40));
    bench.join("b", Bench::reading({"t"}));
    bench.let_time_pass(Duration::seconds(6));
    EXPECT_EQ(bench.group().members().size(), 1U);
    EXPECT_EQ(bench.beat({.group_id = "g", .member_id = "a", .member_epoch = 2}).error_code,
              ErrorCode::unknown_member_id);
}

TEST(StreamsGroupsTest, WhoGivesNothingBackIsFenced) {
    Bench bench;
    bench.create_topic("t", 2);
    auto a = bench.join("a", Bench::reading({"t"}));
    bench.join("b", Bench::reading({"t"}));
    Request holds{.group_id = "g", .member_id = "a", .member_epoch = a.member_epoch};
    holds.active_tasks.emplace().push_back({"0", {0, 1}});
    holds.standby_tasks.emplace();
    holds.warmup_tasks.emplace();
    bench.beat(holds);
    EXPECT_EQ(bench.group().find("a")->state, StreamsMemberState::unrevoked_tasks);
    for (int i = 0; i < 4; ++i) {
        bench.let_time_pass(Duration::seconds(20));
        if (i < 2) EXPECT_EQ(bench.beat(holds).error_code, ErrorCode::none);
    }
    EXPECT_EQ(bench.group().find("a"), nullptr);
}

TEST(StreamsGroupsTest, ATopologyCannotChange) {
    Bench bench;
    bench.create_topic("t", 1);
    bench.create_topic("u", 1);
    auto topology = Bench::reading({"t"});
    topology.epoch = 3;
    bench.join("a", topology);
    topology.epoch = 2;
    EXPECT_EQ(Bench::status_of(bench.join("b", topology)), code(StreamsStatus::stale_topology));
    EXPECT_EQ(bench.join("c", Bench::reading({"u"})).error_code, ErrorCode::none) << "older, too";
    topology = Bench::reading({"u"});
    topology.epoch = 3;
    EXPECT_EQ(bench.join("d", topology).error_code, ErrorCode::invalid_request);
}

TEST(StreamsGroupsTest, KindsDoNotMix) {
    Bench bench;
    bench.create_topic("t", 1);
    auto told = bench.join("a", Bench::reading({"t"}));
    ConsumerGroupHeartbeatRequest consumer{
        .group_id = "g", .member_id = "c", .rebalance_timeout_ms = 1};
    consumer.subscribed_topic_names = {"t"};
    consumer.topic_partitions.emplace();
    EXPECT_EQ(bench.ConsumerGroupBench::beat(consumer).error_code, ErrorCode::group_id_not_found);
    EXPECT_FALSE(bench.groups.needs_room_for_classic("g"));
    EXPECT_EQ(bench.groups.delete_group("g").response, ErrorCode::non_empty_group);
    Commit commit{.group_id = "g", .member_id = "a", .generation = told.member_epoch, .version = 9};
    commit.partitions.push_back({"t", 0, {.offset = 3}});
    EXPECT_EQ(bench.groups.commit_offsets(commit, bench.now).response.front(), ErrorCode::none);
    commit.generation = 99;
    EXPECT_EQ(bench.groups.commit_offsets(commit, bench.now).response.front(),
              ErrorCode::stale_member_epoch);
    commit.transactional = true;
    EXPECT_EQ(bench.groups.commit_offsets(commit, bench.now).response.front(),
              ErrorCode::illegal_generation);
    bench.beat({.group_id = "g", .member_id = "a", .member_epoch = leave_epoch});
    EXPECT_TRUE(bench.groups.needs_room_for_classic("g"));
    auto deleted = bench.groups.delete_group("g");
    EXPECT_EQ(deleted.response, ErrorCode::none);
    bench.conclude("g", std::move(deleted.records), {});
    EXPECT_EQ(bench.groups.streams().find("g"), nullptr);
}

TEST(StreamsGroupsTest, OffsetsOfAnEmptyGroupExpireWithIt) {
    Bench bench;
    bench.create_topic("t", 1);
    auto told = bench.join("a", Bench::reading({"t"}));
    Commit commit{.group_id = "g", .member_id = "a", .generation = told.member_epoch, .version = 9};
    commit.partitions.push_back({"t", 0, {.offset = 3, .commit_timestamp = bench.wall_ms()}});
    bench.conclude("g", bench.groups.commit_offsets(commit, bench.now).records, {});
    Duration kept = bench.options.offsets_retention + Duration::seconds(1);
    auto expire = [&](Time at) { return bench.groups.expire_offsets(at); };
    EXPECT_TRUE(expire(bench.now + kept).records.empty()) << "it is read";
    bench.beat({.group_id = "g", .member_id = "a", .member_epoch = leave_epoch});
    EXPECT_TRUE(expire(bench.now).records.empty());
    auto expired = expire(bench.now + kept);
    EXPECT_FALSE(expired.records.empty());
    bench.conclude("g", std::move(expired.records), {});
    EXPECT_EQ(bench.groups.streams().find("g"), nullptr);
    EXPECT_EQ(bench.groups.offsets("g"), nullptr);
}

// Bytes of StreamsCoordinatorRecordHelpers and its serde are compared in apache_streams_test.cc.
TEST(StreamsGroupsTest, RecordsAreReadAsTheyWereWritten) {
    StreamsMember member{.id = "m",
                         .rack = "r",
                         .client = {"c", "/h"},
                         .rebalance_timeout_ms = 5,
                         .topology_epoch = 2,
                         .process_id = "p",
                         .endpoint = StreamsEndpoint{"host", 65'535},
                         .tags = {{"a", "b"}}};
    auto entry = parse(streams_member_record("g", member));
    ASSERT_TRUE(entry);
    auto& streams = std::get<StreamsEntry>(*entry);
    EXPECT_EQ(streams.group, "g");
    EXPECT_EQ(std::get<StreamsMetadata>(streams.change).member, member);
    StreamsMember current{.id = "m"};
    current.epoch = 4;
    current.previous_epoch = 3;
    current.state = StreamsMemberState::unrevoked_tasks;
    current.assigned.active["0"] = {{1, 4}, {2, 3}};
    current.pending_revocation.standby["1"] = {5};
    entry = parse(streams_current_record("g", current));
    ASSERT_TRUE(entry);
    EXPECT_EQ(std::get<StreamsCurrent>(std::get<StreamsEntry>(*entry).change).member, current);
    GroupRecord broken = streams_current_record("g", current);
    broken.value = Slice::copy(std::string_view("\0\0\0", 3));
    EXPECT_FALSE(parse(broken));
}

}  // namespace
}  // namespace millrace::groups
