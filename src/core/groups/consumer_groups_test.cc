#include "core/groups/consumer_groups.h"

#include <gtest/gtest.h>
#include <variant>

#include "core/groups/consumer_groups_for_tests.h"
#include "core/groups/subscription.h"
#include "protocol/writer.h"

namespace millrace::groups {
namespace {

ConsumerGroupHeartbeatRequest joining(const std::string& member) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.rebalance_timeout_ms = 30'000;
    request.topic_partitions.emplace();
    return request;
}

ConsumerGroupHeartbeatRequest joining(const std::string& member, const std::string& topic) {
    ConsumerGroupHeartbeatRequest request = joining(member);
    request.subscribed_topic_names = {topic};
    return request;
}

Slice subscription_to(const std::string& topic) {
    ConsumerProtocolSubscription subscription;
    subscription.topics = {topic};
    Writer writer;
    writer.write_int16(0);
    EXPECT_TRUE(subscription.encode(writer, 0));
    return std::move(writer).finish_in_memory();
}

std::vector<ErrorCode> commit(ConsumerGroupBench& bench, const std::string& member,
                              std::int32_t epoch, bool transactional) {
    Commit commit{.group_id = "g",
                  .member_id = member,
                  .generation = epoch,
                  .version = static_cast<std::int16_t>(transactional ? 0 : 9),
                  .transactional = transactional};
    for (std::int32_t partition : {0, 3})
        commit.partitions.push_back({"t", partition, {.offset = 1, .topic_id = bench.id_of("t")}});
    return bench.groups.commit_offsets(commit, bench.now).response;
}

TEST(ConsumerGroups, CommitsOfAnOlderEpochCountForWhatTheMemberKept) {
    ConsumerGroupBench bench;
    bench.create_topic("t", 4);
    EXPECT_EQ(bench.beat(joining("one", "t")).member_epoch, 2);
    bench.pass(Duration::seconds(2));
    bench.beat(joining("two", "t"));
    ConsumerGroupHeartbeatRequest owns{.group_id = "g", .member_id = "one", .member_epoch = 2};
    auto told = bench.beat(owns);
    ASSERT_TRUE(told.assignment);
    owns.topic_partitions.emplace();
    for (const auto& topic : told.assignment->topic_partitions)
        owns.topic_partitions->push_back({topic.topic_id, topic.partitions});
    EXPECT_EQ(bench.beat(owns).member_epoch, 3);

    const ErrorCode none = ErrorCode::none;
    using Codes = std::vector<ErrorCode>;
    EXPECT_EQ(commit(bench, "one", 3, false), (Codes{none, none}));
    EXPECT_EQ(commit(bench, "one", 2, false), (Codes{none, ErrorCode::stale_member_epoch}));
    EXPECT_EQ(commit(bench, "one", 4, false), (Codes(2, ErrorCode::stale_member_epoch)));
    EXPECT_EQ(commit(bench, "one", 2, true), (Codes{none, ErrorCode::illegal_generation}));
    EXPECT_EQ(commit(bench, "one", 4, true), (Codes(2, ErrorCode::illegal_generation)));
}

TEST(ConsumerGroups, ExpressionsAreResolvedOnceAfterAHeartbeat) {
    ConsumerGroupBench bench;
    bench.create_topic("t", 1);
    ConsumerGroupHeartbeatRequest request = joining("one");
    request.subscribed_topic_regex = "t.*";
    auto decision = bench.groups.consumer_heartbeat(request, 1, {"c", "/h"}, "new", bench.now);
    EXPECT_EQ(decision.response.error_code, ErrorCode::none);
    bench.conclude("g", std::move(decision.records), std::move(decision.migration));
    EXPECT_TRUE(bench.groups.consumers().has_unresolved());
    auto due = bench.groups.next_due(bench.now);
    ASSERT_TRUE(due);
    bench.conclude(due->group_id, std::move(due->records), std::move(due->migration));
    EXPECT_FALSE(bench.groups.consumers().has_unresolved());
    EXPECT_FALSE(bench.groups.next_due(bench.now));
    bench.pass(Duration::seconds(2));
    auto told = bench.beat(
        {.group_id = "g", .member_id = "one", .member_epoch = decision.response.member_epoch});
    ASSERT_TRUE(told.assignment);
    EXPECT_EQ(told.assignment->topic_partitions.at(0).topic_id, bench.id_of("t"));
}

// It joins a group whose next target is due, and changes nothing of the group by itself.
TEST(ConsumerGroups, AMemberWithAnExpressionToBeResolvedGetsNothingOfTheOthers) {
    ConsumerGroupBench bench;
    bench.create_topic("t", 2);
    bench.create_topic("u", 2);
    ConsumerGroupHeartbeatRequest one = joining("one", "t");
    one.server_assignor = "range";
    bench.beat(one);
    bench.beat(joining("two", "t"));
    bench.pass(Duration::seconds(2));
    ConsumerGroupHeartbeatRequest leaving{
        .group_id = "g", .member_id = "two", .member_epoch = leave_epoch};
    bench.beat(leaving);
    ConsumerGroupHeartbeatRequest three = joining("three");
    three.subscribed_topic_regex = "u";
    auto decision = bench.groups.consumer_heartbeat(three, 1, {"c", "/h"}, "new", bench.now);
    ASSERT_EQ(decision.response.error_code, ErrorCode::none);
    ASSERT_TRUE(decision.response.assignment);
    EXPECT_TRUE(decision.response.assignment->topic_partitions.empty());
    bench.conclude("g", std::move(decision.records), std::move(decision.migration));
    EXPECT_EQ(bench.groups.consumers().find("g")->target_of("three"), Assignment());
}

// Its record would follow those of the consumer group that has taken its place.
TEST(ConsumerGroups, AClassicGroupIsNotWrittenAnyMoreWhenItHasBecomeOne) {
    ConsumerGroupBench bench;
    bench.create_topic("t", 1);
    JoinGroupRequest join{.group_id = "g",
                          .session_timeout_ms = 10'000,
                          .rebalance_timeout_ms = 60'000,
                          .protocol_type = "consumer"};
    Slice subscription = subscription_to("t");
    join.protocols.push_back({.name = "range", .metadata = subscription});
    Effects effects;
    bench.groups.join(join, 3, {"c", "/h"}, "old", 1, bench.now, effects);
    bench.now = bench.now + bench.options.initial_rebalance_delay * 2;
    bench.groups.tick(bench.now, effects);
    for (const Append& append : std::exchange(effects.appends, {}))
        bench.groups.committed(append.id, ErrorCode::none, bench.now, effects);
    SyncGroupRequest sync{.group_id = "g", .generation_id = 1, .member_id = "old"};
    bench.groups.sync(sync, 2, bench.now, effects);
    ASSERT_EQ(effects.appends.size(), 1U);
    EXPECT_TRUE(bench.groups.awaits(effects.appends.front().id));

    auto decision =
        bench.groups.consumer_heartbeat(joining("new", "t"), 1, {"c", "/h"}, "x", bench.now);
    ASSERT_EQ(decision.response.error_code, ErrorCode::none);
    ASSERT_TRUE(decision.migration.ends_classic);
    for (const GroupRecord& record : decision.records) ASSERT_TRUE(bench.groups.apply(record));
    Effects ended;
    bench.groups.conclude("g", std::move(decision.migration), bench.now, ended);
    ASSERT_EQ(ended.replies.size(), 1U);
    EXPECT_EQ(std::get<SyncGroupResponse>(ended.replies.front().response).error_code,
              ErrorCode::rebalance_in_progress);
    EXPECT_FALSE(bench.groups.awaits(effects.appends.front().id));
    EXPECT_EQ(bench.groups.consumers().find("g")->size(), 2U);
    EXPECT_EQ(bench.groups.heartbeat({.group_id = "g", .generation_id = 1, .member_id = "old"},
                                     bench.now),
              ErrorCode::rebalance_in_progress);
}

}  // namespace
}  // namespace millrace::groups
