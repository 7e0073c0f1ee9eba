#include "client/consumer.h"

#include <gtest/gtest.h>
#include <set>

#include "client/consumer_subject_for_tests.h"
#include "records/builder.h"

namespace millrace::client {
namespace {

Task<void> read_by_hand(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 2);
    for (int i = 0; i < 1000; ++i)
        brokers.write("t", static_cast<std::size_t>(i % 2), "v" + std::to_string(i), 1000 + i);
    brokers.start();
    Subject reader(shard, brokers, {{"max.poll.records", "30"}});
    Consumer& consumer = *reader.consumer;
    EXPECT_FALSE((co_await consumer.poll(Duration())).has_value());
    EXPECT_FALSE(consumer.subscribe({"t"}).has_value());  // no group.id
    TopicPartition first{"t", 0}, second{"t", 1};
    CO_ASSERT(consumer.assign({first, second}).has_value());
    auto some = co_await consumer.poll(minute);
    CO_ASSERT(some.has_value());
    EXPECT_GT(some->count, 0U);
    EXPECT_LE(some->count, 30U);
    reader.values.resize(some->count);
    CO_ASSERT((co_await reader.read(shard, 1000, minute)).has_value());
    EXPECT_EQ(reader.values.size(), 1000U);
    EXPECT_EQ(*co_await consumer.position(first), 500);
    EXPECT_EQ(consumer.lag(first), 0);

    // By offset, by time, from the ends.
    auto ends = co_await consumer.end_offsets({first, second});
    CO_ASSERT(ends.has_value());
    EXPECT_EQ((*ends)[second], 500);
    auto times = co_await consumer.offsets_for_times({{first, 1500}, {second, 99'999}});
    CO_ASSERT(times.has_value());
    EXPECT_EQ((*times)[first].offset, 250);
    EXPECT_FALSE(times->contains(second));
    CO_ASSERT(consumer.pause({second}).has_value());
    CO_ASSERT(consumer.seek(first, 498).has_value());
    CO_ASSERT(consumer.seek_to_beginning({second}).has_value());
    reader.values.clear();
    CO_ASSERT((co_await reader.read(shard, 3, Duration::seconds(2))).has_value());
    EXPECT_EQ(reader.values, (std::vector<std::string>{"v996", "v998"}));
    CO_ASSERT(consumer.resume({second}).has_value());
    CO_ASSERT((co_await reader.read(shard, 502, minute)).has_value());
    EXPECT_EQ(reader.values.size(), 502U);
    EXPECT_FALSE(consumer.seek({"t", 7}, 0).has_value());
    EXPECT_GT(brokers.fetches_with_session, 0);

    // What is written later comes without being asked for again.
    brokers.write("t", 0, "later");
    CO_ASSERT((co_await reader.read(shard, 503, minute)).has_value());
    EXPECT_EQ(reader.values.back(), "later");
    co_await reader.close();
    co_await brokers.stop();
}

TEST(Consumer, ReadsWhatIsAssignedByHand) { in_both_worlds(read_by_hand); }

Task<void> read_out_of_range(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 1);
    for (int i = 0; i < 20; ++i) brokers.write("t", 0, std::to_string(i));
    brokers.log_starts[{"t", 0}] = 10;
    brokers.start();
    TopicPartition partition{"t", 0};
    {
        Subject reader(shard, brokers, {});
        CO_ASSERT(reader.consumer->assign({partition}).has_value());
        CO_ASSERT(reader.consumer->seek(partition, 3).has_value());
        CO_ASSERT((co_await reader.read(shard, 10, minute)).has_value());
        CO_ASSERT(!reader.values.empty());
        EXPECT_EQ(reader.values.front(), "10");
        co_await reader.close();
    }
    {
        Subject reader(shard, brokers, {{"auto.offset.reset", "none"}});
        CO_ASSERT(reader.consumer->assign({partition}).has_value());
        auto nowhere = co_await reader.read(shard, 1, minute);
        CO_ASSERT(!nowhere.has_value());
        EXPECT_NE(nowhere.error().message.find("t-0"), std::string::npos);
        CO_ASSERT(reader.consumer->seek(partition, 3).has_value());
        auto missing = co_await reader.read(shard, 1, minute);
        CO_ASSERT(!missing.has_value());
        EXPECT_EQ(missing.error().code, ErrorCode::offset_out_of_range);
        CO_ASSERT(reader.consumer->seek(partition, 19).has_value());
        CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
        EXPECT_EQ(reader.values, std::vector<std::string>{"19"});
        co_await reader.close();
    }
    co_await brokers.stop();
}

TEST(Consumer, OffsetsThatAreNotThereAreResetOrTold) {
    in_sim(1, [](env::Shard& shard) { return read_out_of_range(shard); });
}

Task<void> read_after_truncation(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 1);
    for (int i = 0; i < 20; ++i) brokers.write("t", 0, std::to_string(i));
    brokers.start();
    Subject reader(shard, brokers, {{"metadata.max.age.ms", "1000"}});
    CO_ASSERT(reader.consumer->assign({{"t", 0}}).has_value());
    CO_ASSERT((co_await reader.read(shard, 20, minute)).has_value());
    // An unclean election: the new leader's log ended at 15, and goes on differently.
    LogForTests shorter;
    for (int i = 0; i < 15; ++i) {
        BatchBuilder builder;
        builder.append(1, std::nullopt, as_bytes(std::to_string(i)));
        shorter.append(builder.build(), 1 << 20);
    }
    shorter.leader_epoch = 2;
    for (int i = 0; i < 10; ++i) {
        BatchBuilder builder;
        builder.append(1, std::nullopt, as_bytes("new" + std::to_string(i)));
        shorter.append(builder.build(), 1 << 20);
    }
    brokers.logs["t"][0] = shorter;
    brokers.epoch_end = 15;
    brokers.broker.metadata.topics[0].partitions[0].leader_epoch = 2;
    CO_ASSERT((co_await reader.read(shard, 30, minute)).has_value());
    EXPECT_EQ(reader.values.size(), 30U);
    EXPECT_EQ(reader.values[20], "new0");
    EXPECT_EQ(reader.values[29], "new9");
    co_await reader.close();
    co_await brokers.stop();
}

TEST(Consumer, GoesBackToWhereTheLogWasCut) {
    in_sim(1, [](env::Shard& shard) { return read_after_truncation(shard); });
}

Task<void> share_in_group(env::Shard& shard, std::string strategy) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 4);
    for (int i = 0; i < 400; ++i)
        brokers.write("t", static_cast<std::size_t>(i % 4), "v" + std::to_string(i));
    brokers.start();
    Texts texts{{"group.id", "g"},
                {"partition.assignment.strategy", strategy},
                {"heartbeat.interval.ms", "100"},
                {"session.timeout.ms", "6000"},
                {"auto.commit.interval.ms", "200"}};
    Subject one(shard, brokers, texts);
    CO_ASSERT(one.consumer->subscribe({"t"}, &one.heard).has_value());
    CO_ASSERT((co_await one.read(shard, 400, minute)).has_value());
    EXPECT_EQ(one.values.size(), 400U);
    EXPECT_EQ(one.consumer->assignment().size(), 4U);

    Subject two(shard, brokers, texts);
    CO_ASSERT(two.consumer->subscribe({"t"}, &two.heard).has_value());
    Time until = shard.now() + minute;
    while (two.consumer->assignment().size() != 2 || one.consumer->assignment().size() != 2) {
        CO_ASSERT(shard.now() < until);
        CO_ASSERT((co_await one.read(shard, 500, Duration::milliseconds(20))).has_value());
        CO_ASSERT((co_await two.read(shard, 500, Duration::milliseconds(20))).has_value());
    }
    std::set<TopicPartition> all;
    for (const Subject* reader : {&one, &two})
        for (const TopicPartition& partition : reader->consumer->assignment())
            EXPECT_TRUE(all.insert(partition).second);
    EXPECT_EQ(all.size(), 4U);
    if (strategy == "cooperative-sticky") {
        // Two partitions stayed all the time.
        EXPECT_TRUE(one.heard.text.starts_with("+t-0,t-1,t-2,t-3, -t-2,t-3, + ")) << one.heard.text;
    } else if (strategy == "range") {
        EXPECT_EQ(one.heard.text, "+t-0,t-1,t-2,t-3, -t-0,t-1,t-2,t-3, +t-0,t-1, ")
            << one.heard.text;
    }

    // New records come once each: what was read before was committed before it went.
    for (int i = 400; i < 440; ++i)
        brokers.write("t", static_cast<std::size_t>(i % 4), "v" + std::to_string(i));
    CO_ASSERT((co_await one.read(shard, 420, minute)).has_value());
    CO_ASSERT((co_await two.read(shard, 20, minute)).has_value());
    EXPECT_EQ(one.values.size() + two.values.size(), 440U);

    // Who leaves hands over at once.
    co_await one.close();
    until = shard.now() + minute;
    while (two.consumer->assignment().size() != 4) {
        CO_ASSERT(shard.now() < until);
        CO_ASSERT((co_await two.read(shard, 500, Duration::milliseconds(20))).has_value());
    }
    for (int i = 440; i < 480; ++i)
        brokers.write("t", static_cast<std::size_t>(i % 4), "v" + std::to_string(i));
    CO_ASSERT((co_await two.read(shard, 60, minute)).has_value());
    std::set<std::string> distinct(one.values.begin(), one.values.end());
    distinct.insert(two.values.begin(), two.values.end());
    EXPECT_EQ(one.values.size() + two.values.size(), 480U);
    EXPECT_EQ(distinct.size(), 480U);
    CO_ASSERT((co_await two.consumer->commit()).has_value());
    auto committed = co_await two.consumer->committed({{"t", 0}, {"t", 1}});
    CO_ASSERT(committed.has_value());
    TopicPartition zero{"t", 0};
    EXPECT_EQ((*committed)[zero].offset, 120);
    co_await two.close();
    EXPECT_EQ(brokers.group().size(), 0U);
    co_await brokers.stop();
}

TEST(Consumer, MembersOfAGroupShareAndHandOver) {
    for (std::string strategy : {"range", "roundrobin", "sticky", "cooperative-sticky"}) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            SCOPED_TRACE(testing::Message() << strategy << " seed " << seed);
            in_sim(seed, [&](env::Shard& shard) { return share_in_group(shard, strategy); });
        }
    }
}

Task<void> lose_membership(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 2);
    brokers.write("t", 0, "a");
    brokers.start();
    Subject reader(shard, brokers, {{"group.id", "g"}, {"heartbeat.interval.ms", "100"}});
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    std::string before = reader.consumer->membership().member_id;
    EXPECT_FALSE(before.empty());
    brokers.drop_members();
    Time until = shard.now() + minute;
    while (reader.heard.text != "+t-0,t-1, !t-0,t-1, +t-0,t-1, " && shard.now() < until)
        CO_ASSERT((co_await reader.read(shard, 100, Duration::milliseconds(50))).has_value());
    EXPECT_EQ(reader.heard.text, "+t-0,t-1, !t-0,t-1, +t-0,t-1, ");
    EXPECT_NE(reader.consumer->membership().member_id, before);
    co_await reader.close();
    co_await brokers.stop();
}

TEST(Consumer, AMemberThatWasDroppedComesBackAsAnother) {
    in_sim(1, [](env::Shard& shard) { return lose_membership(shard); });
}

Task<void> stay_static(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 2);
    brokers.write("t", 0, "a");
    brokers.start();
    Texts texts{{"group.id", "g"}, {"group.instance.id", "i1"}, {"heartbeat.interval.ms", "100"}};
    std::int32_t generation = 0;
    {
        Subject reader(shard, brokers, texts);
        CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
        CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
        generation = brokers.group().generation();
        co_await reader.close();
    }
    EXPECT_EQ(brokers.group().size(), 1U);  // its place is kept
    brokers.write("t", 1, "b");
    {
        Subject reader(shard, brokers, texts);
        CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
        CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
        EXPECT_EQ(reader.values, std::vector<std::string>{"b"});
        EXPECT_EQ(brokers.group().generation(), generation);

        // A second one with the same instance id takes the place; the first one is told.
        Subject thief(shard, brokers, texts);
        CO_ASSERT(thief.consumer->subscribe({"t"}, &thief.heard).has_value());
        CO_ASSERT((co_await thief.read(shard, 1, Duration::seconds(1))).has_value());
        auto told = co_await reader.read(shard, 100, minute);
        CO_ASSERT(!told.has_value());
        EXPECT_EQ(told.error().code, ErrorCode::fenced_instance_id);
        co_await thief.close();
        co_await reader.close();
    }
    co_await brokers.stop();
}

TEST(Consumer, AStaticMemberComesBackWithoutARebalance) {
    in_sim(1, [](env::Shard& shard) { return stay_static(shard); });
}

Task<void> follow_pattern(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("orders.eu", 1);
    brokers.add_topic("bills", 1);
    brokers.write("orders.eu", 0, "a");
    brokers.write("bills", 0, "never");
    brokers.start();
    Subject reader(shard, brokers,
                   {{"group.id", "g"},
                    {"heartbeat.interval.ms", "100"},
                    {"metadata.max.age.ms", "500"},
                    {"partition.assignment.strategy", "cooperative-sticky"}});
    EXPECT_FALSE(reader.consumer->subscribe_pattern("orders(").has_value());
    CO_ASSERT(reader.consumer->subscribe_pattern("orders\\..*", &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    brokers.add_topic("orders.us", 1);
    brokers.write("orders.us", 0, "b");
    CO_ASSERT((co_await reader.read(shard, 2, minute)).has_value());
    EXPECT_EQ(reader.values, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(reader.consumer->subscription(), (std::set<std::string>{"orders.eu", "orders.us"}));
    co_await reader.close();
    co_await brokers.stop();
}

TEST(Consumer, APatternFollowsTopicsAsTheyCome) {
    in_sim(1, [](env::Shard& shard) { return follow_pattern(shard); });
}

Task<void> stay_away(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 1);
    brokers.write("t", 0, "a");
    brokers.start();
    Subject reader(shard, brokers,
                   {{"group.id", "g"},
                    {"heartbeat.interval.ms", "100"},
                    {"session.timeout.ms", "6000"},
                    {"max.poll.interval.ms", "7000"}});
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    // Heartbeats alone keep the place for a while only.
    co_await env::sleep_for(shard, Duration::seconds(6));
    EXPECT_EQ(brokers.group().size(), 1U);
    co_await env::sleep_for(shard, Duration::seconds(2));
    EXPECT_EQ(brokers.group().size(), 0U);
    brokers.write("t", 0, "b");
    CO_ASSERT((co_await reader.read(shard, 2, minute)).has_value());
    EXPECT_EQ(reader.heard.text.substr(0, 12), "+t-0, !t-0, ") << reader.heard.text;
    co_await reader.close();
    co_await brokers.stop();
}

TEST(Consumer, WhoDoesNotPollLeaves) {
    in_sim(1, [](env::Shard& shard) { return stay_away(shard); });
}

}  // namespace
}  // namespace millrace::client
