#include "client/share_consumer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "client/consumer_subject_for_tests.h"
#include "client/share_cluster_for_tests.h"

namespace millrace::client {
namespace {

using testing::HasSubstr;

// A share consumer with what it needs and what it was given.
struct Sharer {
    Sharer(env::Shard& shard, const ShareClusterForTests& share, Texts texts)
        : config(config_of(share, std::move(texts))),
          cluster(std::make_unique<Cluster>(shard, config.cluster())),
          consumer(*ShareConsumer::create(*cluster, config)) {
        consumer->on_acknowledged([this](const TopicPartition& partition,
                                         const Acknowledgements& ranges, const Result<>& outcome) {
            for (const AcknowledgedRange& range : ranges)
                told += fmt::format("{}:{}-{} {} {}, ", to_string(partition), range.first,
                                    range.last, static_cast<int>(range.type),
                                    outcome ? "ok" : name_of(outcome.error().code));
        });
    }
    static ShareConsumerConfig config_of(const ShareClusterForTests& share, Texts texts) {
        std::vector<config::Property> properties{
            {"bootstrap.servers", share.brokers.broker.bootstrap()}, {"group.id", "g"}};
        for (auto& [key, value] : texts) properties.push_back({key, value});
        auto config = ShareConsumerConfig::parse(properties);
        EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().message);
        return *config;
    }

    // One poll; the offsets of t-0 that it gives, with how often each was given.
    Task<std::map<std::int64_t, int>> poll(Duration timeout) {
        auto records = co_await consumer->poll(timeout);
        EXPECT_TRUE(records.has_value()) << (records ? "" : records.error().message);
        std::map<std::int64_t, int> given;
        if (!records) co_return given;
        for (const AcquiredBatch& batch : records->batches) {
            EXPECT_EQ(batch.records.size(), batch.delivery_counts.size());
            for (std::size_t i = 0; i < batch.records.size(); ++i) {
                values.emplace_back(as_string(*batch.records[i].value));
                given[batch.records[i].offset] = batch.delivery_counts[i];
            }
        }
        co_return given;
    }
    Task<void> close() {
        EXPECT_TRUE((co_await consumer->close()).has_value());
        co_await cluster->close();
    }
    Result<> acknowledge(std::int64_t offset, AcknowledgeType type) {
        return consumer->acknowledge({"t", 0}, offset, type);
    }

    ShareConsumerConfig config;
    std::unique_ptr<Cluster> cluster;
    std::unique_ptr<ShareConsumer> consumer;
    std::vector<std::string> values;
    std::string told;
};

const Texts explicitly{{"share.acknowledgement.mode", "explicit"}};
constexpr Duration moment = Duration::milliseconds(20);

void write(ShareClusterForTests& share, int first, int count, std::size_t partitions = 1) {
    for (int i = first; i < first + count; ++i)
        share.brokers.write("t", static_cast<std::size_t>(i) % partitions, "v" + std::to_string(i));
}

Task<void> share_records(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 2);
    share.brokers.start();
    Sharer one(shard, share, {{"max.poll.records", "10"}});
    Sharer two(shard, share, {{"max.poll.records", "10"}});
    EXPECT_FALSE((co_await one.consumer->poll(moment)).has_value());  // not subscribed
    CO_ASSERT(one.consumer->subscribe({"t"}).has_value());
    CO_ASSERT(two.consumer->subscribe({"t"}).has_value());
    write(share, 0, 300, 2);
    Time until = shard.now() + minute;
    while (one.values.size() + two.values.size() < 300 && shard.now() < until) {
        co_await one.poll(moment);
        co_await two.poll(moment);
    }
    // The next polls accept the last ones.
    while (!(share.is_done("t", 0) && share.is_done("t", 1)) && shard.now() < until) {
        co_await one.poll(moment);
        co_await two.poll(moment);
    }
    EXPECT_TRUE(share.is_done("t", 0) && share.is_done("t", 1));
    EXPECT_EQ(one.values.size() + two.values.size(), 300U);
    std::set<std::string> distinct(one.values.begin(), one.values.end());
    distinct.insert(two.values.begin(), two.values.end());
    EXPECT_EQ(distinct.size(), 300U);
    EXPECT_THAT(one.told, HasSubstr("ok"));
    EXPECT_EQ(one.told.find("_"), std::string::npos) << one.told;  // no error's name
    EXPECT_EQ(one.consumer->lock_timeout(), Duration::seconds(30));
    EXPECT_EQ(share.members(), 2U);
    co_await one.close();
    co_await two.close();
    EXPECT_EQ(share.members(), 0U);
    EXPECT_EQ(share.sessions(), 0U);
    co_await share.brokers.stop();
}

TEST(ShareConsumer, MembersHaveAllRecordsBetweenThem) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        in_sim(seed, [](env::Shard& shard) { return share_records(shard); });
    }
}

Task<void> acknowledge_each(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 1);
    write(share, 0, 4);
    share.brokers.start();
    Sharer sharer(shard, share, explicitly);
    CO_ASSERT(sharer.consumer->subscribe({"t"}).has_value());
    auto given = co_await sharer.poll(minute);
    EXPECT_EQ(given, (std::map<std::int64_t, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}}));
    CO_ASSERT(sharer.acknowledge(0, AcknowledgeType::accept).has_value());
    CO_ASSERT(sharer.acknowledge(1, AcknowledgeType::accept).has_value());
    // Another word on it counts, until it is told.
    CO_ASSERT(sharer.acknowledge(1, AcknowledgeType::reject).has_value());
    auto foreign = sharer.acknowledge(9, AcknowledgeType::accept);
    EXPECT_EQ(foreign.error().code, ErrorCode::invalid_record_state);
    auto early = co_await sharer.consumer->poll(moment);
    CO_ASSERT(!early.has_value());
    EXPECT_EQ(early.error().code, ErrorCode::invalid_record_state);
    EXPECT_THAT(early.error().message, HasSubstr("2 records of the last poll()"));
    CO_ASSERT(sharer.acknowledge(2, AcknowledgeType::release).has_value());
    CO_ASSERT(sharer.acknowledge(3, AcknowledgeType::accept).has_value());
    given = co_await sharer.poll(minute);
    EXPECT_EQ(given, (std::map<std::int64_t, int>{{2, 2}}));
    EXPECT_EQ(sharer.told, "t-0:0-0 1 ok, t-0:1-1 3 ok, t-0:2-2 2 ok, t-0:3-3 1 ok, ");
    // It went with the fetch.
    EXPECT_EQ(share.acknowledge_requests, 0);
    CO_ASSERT(sharer.acknowledge(2, AcknowledgeType::accept).has_value());
    auto outcomes = co_await sharer.consumer->commit();
    CO_ASSERT(outcomes.size() == 1 && outcomes.begin()->second.has_value());
    EXPECT_EQ(share.acknowledge_requests, 1);
    EXPECT_TRUE(share.is_done("t", 0));
    EXPECT_TRUE((co_await sharer.consumer->commit()).empty());
    EXPECT_EQ(sharer.acknowledge(2, AcknowledgeType::accept).error().code,
              ErrorCode::invalid_record_state);
    co_await sharer.close();
    co_await share.brokers.stop();
}

TEST(ShareConsumer, EachRecordIsAcknowledgedByItself) {
    in_sim(1, [](env::Shard& shard) { return acknowledge_each(shard); });
}

Task<void> renew(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 1);
    share.limits.lock_duration = Duration::seconds(3);
    write(share, 0, 3);
    share.brokers.start();
    Sharer sharer(shard, share, explicitly);
    CO_ASSERT(sharer.consumer->subscribe({"t"}).has_value());
    co_await sharer.poll(minute);
    for (int i = 0; i < 4; ++i) {
        // Longer than the lock, all in all.
        co_await env::sleep_for(shard, Duration::seconds(2));
        CO_ASSERT(sharer.acknowledge(1, AcknowledgeType::renew).has_value());
        if (i == 0) {
            CO_ASSERT(sharer.acknowledge(0, AcknowledgeType::accept).has_value());
            CO_ASSERT(sharer.acknowledge(2, AcknowledgeType::accept).has_value());
        }
        auto given = co_await sharer.poll(minute);
        EXPECT_EQ(given, (std::map<std::int64_t, int>{{1, 1}}));
        EXPECT_EQ(sharer.values.back(), "v1");
    }
    CO_ASSERT(sharer.acknowledge(1, AcknowledgeType::accept).has_value());
    EXPECT_TRUE((co_await sharer.poll(moment)).empty());
    EXPECT_TRUE(share.is_done("t", 0));
    // What cannot be renewed does not come again by itself.
    write(share, 3, 1);
    EXPECT_EQ((co_await sharer.poll(minute)).size(), 1U);
    share.acknowledge_errors = {ErrorCode::invalid_record_state};
    CO_ASSERT(sharer.acknowledge(3, AcknowledgeType::renew).has_value());
    EXPECT_TRUE((co_await sharer.poll(moment)).empty());
    EXPECT_THAT(sharer.told, testing::EndsWith("t-0:3-3 4 INVALID_RECORD_STATE, "));
    co_await sharer.close();
    co_await share.brokers.stop();
}

TEST(ShareConsumer, WhatIsRenewedComesAgain) {
    in_sim(1, [](env::Shard& shard) { return renew(shard); });
}

Task<void> give_back(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 1);
    write(share, 0, 5);
    share.brokers.start();
    Sharer one(shard, share, explicitly);
    CO_ASSERT(one.consumer->subscribe({"t"}).has_value());
    EXPECT_EQ((co_await one.poll(minute)).size(), 5U);
    CO_ASSERT(one.acknowledge(0, AcknowledgeType::accept).has_value());
    co_await one.close();
    EXPECT_EQ(one.told, "t-0:0-0 1 ok, ");
    // Long before the lock is over.
    Sharer two(shard, share, {});
    CO_ASSERT(two.consumer->subscribe({"t"}).has_value());
    auto given = co_await two.poll(Duration::seconds(10));
    EXPECT_EQ(given, (std::map<std::int64_t, int>{{1, 2}, {2, 2}, {3, 2}, {4, 2}}));
    CO_ASSERT((co_await two.consumer->unsubscribe()).has_value());
    EXPECT_EQ(share.members(), 0U);
    EXPECT_EQ(share.sessions(), 0U);
    // Nothing was accepted by going.
    EXPECT_FALSE(share.is_done("t", 0));
    co_await two.close();
    co_await share.brokers.stop();
}

TEST(ShareConsumer, WhoLeavesGivesBack) {
    in_sim(1, [](env::Shard& shard) { return give_back(shard); });
}

Task<void> lose_session(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 1);
    write(share, 0, 3);
    share.brokers.start();
    Sharer sharer(shard, share, {});
    CO_ASSERT(sharer.consumer->subscribe({"t"}).has_value());
    EXPECT_EQ((co_await sharer.poll(minute)).size(), 3U);
    share.forget_sessions();
    auto outcomes = co_await sharer.consumer->commit();
    CO_ASSERT(outcomes.size() == 1);
    EXPECT_EQ(outcomes.begin()->second.error().code, ErrorCode::share_session_not_found);
    // A new one begins, and the records come again.
    EXPECT_EQ((co_await sharer.poll(minute)).size(), 3U);
    EXPECT_EQ(sharer.told, "t-0:0-2 1 SHARE_SESSION_NOT_FOUND, ");
    // What passes is tried again.
    share.acknowledge_errors = {ErrorCode::coordinator_load_in_progress,
                                ErrorCode::coordinator_not_available};
    outcomes = co_await sharer.consumer->commit();
    CO_ASSERT(outcomes.size() == 1);
    EXPECT_TRUE(outcomes.begin()->second.has_value());
    EXPECT_TRUE(share.is_done("t", 0));
    co_await sharer.close();
    co_await share.brokers.stop();
}

TEST(ShareConsumer, ALostSessionIsToldAndBegunAnew) {
    in_sim(1, [](env::Shard& shard) { return lose_session(shard); });
}

Task<void> limit_records(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 1);
    BatchBuilder builder;
    for (int i = 0; i < 20; ++i) builder.append(1, std::nullopt, as_bytes("v" + std::to_string(i)));
    share.brokers.logs.at("t").at(0).append(builder.build(), 1 << 20);
    share.brokers.start();
    Sharer limited(shard, share,
                   {{"max.poll.records", "3"}, {"share.acquire.mode", "record_limit"}});
    CO_ASSERT(limited.consumer->subscribe({"t"}).has_value());
    EXPECT_EQ((co_await limited.poll(minute)).size(), 3U);
    EXPECT_EQ(share.acquired("t", 0), 3);
    EXPECT_EQ((co_await limited.poll(minute)).size(), 3U);
    co_await limited.close();
    // A whole batch is more than was asked for.
    Sharer whole(shard, share, {{"max.poll.records", "3"}});
    CO_ASSERT(whole.consumer->subscribe({"t"}).has_value());
    EXPECT_EQ((co_await whole.poll(minute)).size(), 17U);
    co_await whole.close();
    co_await share.brokers.stop();
}

TEST(ShareConsumer, AcquiresAsManyAsTheModeSays) {
    in_sim(1, [](env::Shard& shard) { return limit_records(shard); });
}

Task<void> skip_broken(env::Shard& shard) {
    ShareClusterForTests share(shard);
    share.brokers.add_topic("t", 1);
    write(share, 0, 3);
    share.brokers.logs.at("t").at(0).batches[1].back() ^= 1;
    share.brokers.start();
    Sharer sharer(shard, share, {});
    CO_ASSERT(sharer.consumer->subscribe({"t"}).has_value());
    EXPECT_EQ((co_await sharer.poll(minute)), (std::map<std::int64_t, int>{{0, 1}}));
    auto broken = co_await sharer.consumer->poll(minute);
    CO_ASSERT(!broken.has_value());
    EXPECT_EQ(broken.error().code, ErrorCode::corrupt_message);
    EXPECT_EQ((co_await sharer.poll(minute)), (std::map<std::int64_t, int>{{2, 1}}));
    co_await sharer.consumer->commit();
    EXPECT_THAT(sharer.told, HasSubstr("t-0:1-1 3 ok, "));
    EXPECT_TRUE(share.is_done("t", 0));
    co_await sharer.close();
    co_await share.brokers.stop();
}

TEST(ShareConsumer, ABrokenBatchIsRejectedAndTold) {
    in_sim(1, [](env::Shard& shard) { return skip_broken(shard); });
}

}  // namespace
}  // namespace millrace::client
