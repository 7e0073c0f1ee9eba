// Consumers with group.protocol=consumer, whose coordinator is Millrace's own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "client/consumer_subject_for_tests.h"

namespace millrace::client {
namespace {

using testing::HasSubstr;

Texts coordinated(Texts more = {}) {
    Texts texts{{"group.id", "g"}, {"group.protocol", "consumer"}};
    texts.insert(texts.end(), more.begin(), more.end());
    return texts;
}

// Polls all of them until the condition holds.
template <typename Holds>
Task<bool> poll_until(env::Shard& shard, std::vector<Subject*> subjects, Holds holds) {
    Time until = shard.now() + minute;
    while (!holds()) {
        if (shard.now() >= until) co_return false;
        for (Subject* subject : subjects) {
            auto read = co_await subject->read(shard, subject->values.size() + 1,
                                               Duration::milliseconds(20));
            EXPECT_TRUE(read.has_value()) << (read ? "" : read.error().message);
            if (!read) co_return false;
        }
    }
    co_return true;
}

std::size_t share(const Subject& subject) { return subject.consumer->assignment().size(); }

Task<void> share_in_group(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 4);
    for (int i = 0; i < 400; ++i)
        brokers.write("t", static_cast<std::size_t>(i % 4), "v" + std::to_string(i));
    brokers.start();
    Texts texts = coordinated({{"auto.commit.interval.ms", "200"}});
    Subject one(shard, brokers, texts);
    CO_ASSERT(one.consumer->subscribe({"t"}, &one.heard).has_value());
    CO_ASSERT((co_await one.read(shard, 400, minute)).has_value());
    EXPECT_EQ(one.values.size(), 400U);

    Subject two(shard, brokers, texts);
    CO_ASSERT(two.consumer->subscribe({"t"}, &two.heard).has_value());
    CO_ASSERT(co_await poll_until(shard, {&one, &two},
                                  [&] { return share(one) == 2 && share(two) == 2; }));
    std::set<TopicPartition> all;
    for (const Subject* reader : {&one, &two})
        for (const TopicPartition& partition : reader->consumer->assignment())
            EXPECT_TRUE(all.insert(partition).second);
    EXPECT_EQ(all.size(), 4U);
    // Two partitions stayed all the time, and nothing was lost.
    EXPECT_THAT(one.heard.text, testing::StartsWith("+t-0,t-1,t-2,t-3, -t-"));
    EXPECT_EQ(one.heard.text.find('!'), std::string::npos) << one.heard.text;

    // New records come once each: what was read before was committed before it went.
    for (int i = 400; i < 440; ++i)
        brokers.write("t", static_cast<std::size_t>(i % 4), "v" + std::to_string(i));
    CO_ASSERT((co_await one.read(shard, 420, minute)).has_value());
    CO_ASSERT((co_await two.read(shard, 20, minute)).has_value());
    EXPECT_EQ(one.values.size() + two.values.size(), 440U);

    // Who leaves hands over at once.
    co_await one.close();
    EXPECT_EQ(brokers.coordinated_members(), 1U);
    CO_ASSERT(co_await poll_until(shard, {&two}, [&] { return share(two) == 4; }));
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
    EXPECT_GT(two.consumer->membership().generation, 0);
    co_await two.close();
    EXPECT_EQ(brokers.coordinated_members(), 0U);
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, MembersOfAGroupShareAndHandOver) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        in_sim(seed, [](env::Shard& shard) { return share_in_group(shard); });
    }
}

Task<void> lose_membership(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 2);
    brokers.write("t", 0, "a");
    brokers.start();
    Subject reader(shard, brokers, coordinated());
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    std::string before = reader.consumer->membership().member_id;
    EXPECT_FALSE(before.empty());
    brokers.let_sessions_end();
    CO_ASSERT(co_await poll_until(
        shard, {&reader}, [&] { return reader.heard.text == "+t-0,t-1, !t-0,t-1, +t-0,t-1, "; }));
    // It comes back under the id that it made up.
    EXPECT_EQ(reader.consumer->membership().member_id, before);
    EXPECT_GT(reader.consumer->membership().generation, 1);
    co_await reader.close();
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, AMemberThatWasDroppedComesBack) {
    in_sim(1, [](env::Shard& shard) { return lose_membership(shard); });
}

Task<void> stay_static(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 2);
    brokers.write("t", 0, "a");
    brokers.start();
    Texts texts = coordinated({{"group.instance.id", "i1"}});
    {
        Subject reader(shard, brokers, texts);
        CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
        CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
        co_await reader.close();
    }
    EXPECT_EQ(brokers.heartbeats.back().member_epoch, -2);
    EXPECT_EQ(brokers.coordinated_members(), 1U);  // its place is kept
    brokers.write("t", 1, "b");
    Subject reader(shard, brokers, texts);
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    EXPECT_EQ(reader.values, std::vector<std::string>{"b"});

    // As long as the first one is there, a second one has no place.
    Subject thief(shard, brokers, texts);
    CO_ASSERT(thief.consumer->subscribe({"t"}, &thief.heard).has_value());
    auto refused = co_await thief.read(shard, 1, minute);
    CO_ASSERT(!refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::unreleased_instance_id);
    EXPECT_THAT(refused.error().message, HasSubstr("give each its own"));
    brokers.write("t", 1, "c");
    CO_ASSERT((co_await reader.read(shard, 2, minute)).has_value());
    co_await thief.close();
    co_await reader.close();
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, AStaticMemberKeepsItsPlace) {
    in_sim(1, [](env::Shard& shard) { return stay_static(shard); });
}

Task<void> follow_pattern(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("orders.eu", 1);
    brokers.add_topic("bills", 1);
    brokers.write("orders.eu", 0, "a");
    brokers.write("bills", 0, "never");
    brokers.start();
    Subject reader(shard, brokers, coordinated());
    EXPECT_FALSE(reader.consumer->subscribe_pattern("orders(").has_value());
    CO_ASSERT(reader.consumer->subscribe_pattern("orders\\..*", &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    brokers.add_topic("orders.us", 1);
    brokers.write("orders.us", 0, "b");
    CO_ASSERT((co_await reader.read(shard, 2, minute)).has_value());
    EXPECT_EQ(reader.values, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(reader.consumer->subscription(), (std::set<std::string>{"orders.eu", "orders.us"}));
    // The metadata is of what is read, not of all topics.
    EXPECT_EQ(reader.cluster->metadata()->topic(std::string_view("bills")), nullptr);
    co_await reader.close();
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, TheCoordinatorFollowsAPattern) {
    in_sim(1, [](env::Shard& shard) { return follow_pattern(shard); });
}

Task<void> stay_away(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 1);
    brokers.write("t", 0, "a");
    brokers.start();
    Subject reader(shard, brokers, coordinated({{"max.poll.interval.ms", "9000"}}));
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    // Heartbeats alone keep the place for a while only, but beyond the session.
    co_await env::sleep_for(shard, Duration::seconds(8));
    EXPECT_EQ(brokers.coordinated_members(), 1U);
    co_await env::sleep_for(shard, Duration::seconds(2));
    EXPECT_EQ(brokers.coordinated_members(), 0U);
    auto late = co_await reader.consumer->commit({{{"t", 0}, {1, -1, ""}}});
    EXPECT_EQ(late.error().code, ErrorCode::unknown_member_id);
    brokers.write("t", 0, "b");
    CO_ASSERT((co_await reader.read(shard, 2, minute)).has_value());
    EXPECT_EQ(reader.heard.text.substr(0, 12), "+t-0, !t-0, ") << reader.heard.text;
    co_await reader.close();
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, WhoDoesNotPollLeaves) {
    in_sim(1, [](env::Shard& shard) { return stay_away(shard); });
}

Task<void> hear_errors(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 1);
    brokers.start();
    Subject reader(shard, brokers, coordinated({{"group.remote.assignor", "range"}}));
    // What passes is not told.
    brokers.heartbeat_errors = {ErrorCode::coordinator_load_in_progress, ErrorCode::not_coordinator,
                                ErrorCode::coordinator_not_available};
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT(co_await poll_until(shard, {&reader}, [&] { return share(reader) == 1; }));
    EXPECT_EQ(brokers.heartbeats[3].server_assignor, "range");
    EXPECT_EQ(brokers.broker.count(ApiKey::find_coordinator), 3);
    // What the user can do something about is told; the member stays.
    brokers.heartbeat_errors = {ErrorCode::topic_authorization_failed};
    auto told = co_await reader.read(shard, 1, minute);
    CO_ASSERT(!told.has_value());
    EXPECT_EQ(told.error().code, ErrorCode::topic_authorization_failed);
    CO_ASSERT(co_await poll_until(shard, {&reader}, [&] { return share(reader) == 1; }));
    EXPECT_EQ(reader.heard.text, "+t-0, ");
    // What ends the membership is told, and the partitions are given up.
    brokers.heartbeat_errors = {ErrorCode::group_max_size_reached};
    told = co_await reader.read(shard, 1, minute);
    CO_ASSERT(!told.has_value());
    EXPECT_EQ(told.error().code, ErrorCode::group_max_size_reached);
    EXPECT_EQ(reader.heard.text, "+t-0, !t-0, ");
    co_await reader.close();
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, TellsWhatItsUserCanMend) {
    in_sim(1, [](env::Shard& shard) { return hear_errors(shard); });
}

Task<void> change_subscription(env::Shard& shard) {
    ConsumerClusterForTests brokers(shard);
    brokers.add_topic("t", 2);
    brokers.add_topic("u", 1);
    brokers.write("t", 0, "a");
    brokers.write("u", 0, "b");
    brokers.start();
    Subject reader(shard, brokers, coordinated());
    CO_ASSERT(reader.consumer->subscribe({"t"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 1, minute)).has_value());
    CO_ASSERT(reader.consumer->subscribe({"u"}, &reader.heard).has_value());
    CO_ASSERT((co_await reader.read(shard, 2, minute)).has_value());
    EXPECT_EQ(reader.values, (std::vector<std::string>{"a", "b"}));
    EXPECT_THAT(reader.heard.text, HasSubstr("-t-0,t-1, "));
    CO_ASSERT((co_await reader.consumer->unsubscribe()).has_value());
    EXPECT_EQ(brokers.coordinated_members(), 0U);
    EXPECT_TRUE(reader.consumer->assignment().empty());
    // What was read of u was committed on the way out.
    EXPECT_EQ((brokers.committed[{"u", 0}]), 1);
    co_await reader.close();
    co_await brokers.stop();
}

TEST(CoordinatedConsumer, FollowsItsSubscription) {
    in_sim(1, [](env::Shard& shard) { return change_subscription(shard); });
}

}  // namespace
}  // namespace millrace::client
