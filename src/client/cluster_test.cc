#include "client/cluster.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cluster_for_tests.h"
#include "client/gather.h"
#include "protocol/find_coordinator.h"
#include "protocol/heartbeat.h"

namespace millrace::client {
namespace {

using env::Shard;
using Fixture = ClusterForTests;
using testing::AllOf;
using testing::HasSubstr;

// Who answers over a connection.
Task<std::int32_t> who(Task<Cluster::Connected> connecting) {
    auto connection = co_await std::move(connecting);
    if (!connection) {
        ADD_FAILURE() << connection.error().message;
        co_return -1;
    }
    auto reply = co_await (*connection)->call(HeartbeatRequest{.group_id = "g"});
    co_return reply ? reply->response.throttle_time_ms : -1;
}

TEST(Cluster, LearnsWhatIsWhere) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("t", {2, 1});
        auto topic = co_await f.cluster().topic("t", f.in(10));
        CO_ASSERT(topic);
        EXPECT_EQ((*topic)->partitions.size(), 2U);
        EXPECT_EQ(f.cluster().metadata()->cluster_id(), "test-cluster");
        EXPECT_EQ(f.cluster().metadata()->topic((*topic)->id), topic->get());
        auto leader = co_await f.cluster().leader({"t", 0}, f.in(10));
        CO_ASSERT(leader);
        EXPECT_EQ(leader->id, 2);
        EXPECT_EQ(co_await who(f.cluster().broker(2)), 2);
        EXPECT_EQ(co_await who(f.cluster().broker(1)), 1);
        int accepted = f.one.accepted + f.two.accepted;
        EXPECT_EQ(co_await who(f.cluster().broker(2)), 2);
        EXPECT_EQ(co_await who(f.cluster().controller()), 1);
        EXPECT_EQ(f.one.accepted + f.two.accepted, accepted);
        EXPECT_EQ(co_await who(f.cluster().broker(2, Lane::fetch)), 2);
        EXPECT_EQ(f.one.accepted + f.two.accepted, accepted + 1);
        auto missing = co_await f.cluster().broker(7);
        CO_ASSERT(!missing);
        EXPECT_EQ(missing.error().code, ErrorCode::broker_not_available);
        EXPECT_THAT(missing.error().message, HasSubstr("these are: 1, 2"));
        co_await f.close();
    });
}

TEST(Cluster, AsksOnceForMany) {
    in_sim(1, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        for (int i = 0; i < 50; ++i) f.add_topic(fmt::format("t{}", i), {1});
        std::vector<Task<Result<std::shared_ptr<const TopicInfo>>>> asked;
        for (int i = 0; i < 50; ++i) {
            asked.push_back(f.cluster().topic(fmt::format("t{}", i), f.in(10)));
        }
        for (auto& topic : co_await gather(std::move(asked))) EXPECT_TRUE(topic);
        EXPECT_LE(f.metadata_requests(), 2);
        co_await f.close();
    });
}

TEST(Cluster, AsksAgainWhenWhatItKnowsIsOld) {
    in_sim(2, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.options.metadata_max_age = Duration::seconds(20);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        EXPECT_EQ(f.metadata_requests(), 1);
        co_await env::sleep_for(shard, Duration::seconds(110));
        EXPECT_EQ(f.metadata_requests(), 6);
        co_await f.close();
    });
}

TEST(Cluster, PausesBetweenRequestsForTheSame) {
    in_sim(3, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        Time end = f.in(1);
        while (shard.now() < end) EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        EXPECT_LE(f.metadata_requests(), 12);  // retry.backoff.ms is 100
        co_await f.close();
    });
}

TEST(Cluster, WaitsForATopicThatIsBeingCreated) {
    in_sim(4, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto create = [](Fixture& fixture) -> Task<void> {
            co_await env::sleep_for(fixture.shard, Duration::seconds(3));
            fixture.add_topic("late", {1});
        };
        Scope scope(shard);
        scope.spawn(create(f));
        EXPECT_TRUE(co_await f.cluster().topic("late", f.in(10)));
        co_await scope.join();
        co_await f.close();
    });
}

TEST(Cluster, SaysThatATopicDoesNotExist) {
    in_sim(5, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        Time before = shard.now();
        auto topic = co_await f.cluster().topic("nope", f.in(5));
        EXPECT_EQ((shard.now() - before).ms() / 1000, 5);
        CO_ASSERT(!topic);
        EXPECT_EQ(topic.error().code, ErrorCode::unknown_topic_or_partition);
        EXPECT_THAT(topic.error().message,
                    AllOf(HasSubstr("topic 'nope' does not exist in the cluster of 127.0.0.1:"),
                          HasSubstr("kafka-topics --list")));
        f.add_topic("t", {1});
        auto leader = co_await f.cluster().leader({"t", 5}, f.in(2));
        CO_ASSERT(!leader);
        EXPECT_THAT(leader.error().message, HasSubstr("has no partition 5: it has 1"));
        co_await f.close();
    });
}

TEST(Cluster, FailsAtOnceWhereWaitingDoesNotHelp) {
    in_sim(6, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("secret", {1});
        for (BrokerForTests* broker : {&f.one, &f.two}) {
            broker->metadata.topics[0].error_code = ErrorCode::topic_authorization_failed;
        }
        Time before = shard.now();
        auto topic = co_await f.cluster().topic("secret", f.in(60));
        CO_ASSERT(!topic);
        EXPECT_EQ(topic.error().code, ErrorCode::topic_authorization_failed);
        EXPECT_LT((shard.now() - before).ms(), 1000);
        co_await f.close();
    });
}

TEST(Cluster, FollowsALeader) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("t", {1});
        f.lead(1, 5);
        auto leader = co_await f.cluster().leader({"t", 0}, f.in(10));
        CO_ASSERT(leader);
        EXPECT_EQ(leader->epoch, 5);

        // A broker that has not heard yet does not take us back.
        f.lead(2, 4);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        EXPECT_EQ(f.cluster().metadata()->partition("t", 0)->leader_id, 1);

        f.lead(2, 6);
        std::uint64_t generation = f.cluster().metadata()->generation();
        f.cluster().request_refresh();
        co_await f.cluster().changed_since(generation);
        EXPECT_EQ(f.cluster().metadata()->partition("t", 0)->leader_id, 2);

        f.cluster().learn_leader({"t", 0}, {1, 5}, {});
        EXPECT_EQ(f.cluster().metadata()->partition("t", 0)->leader_id, 2);
        f.cluster().learn_leader({"t", 0}, {1, 7}, {});
        EXPECT_EQ(f.cluster().metadata()->partition("t", 0)->leader_id, 1);
        EXPECT_EQ(f.cluster().metadata()->partition("t", 0)->leader_epoch, 7);
        co_await f.close();
    });
}

TEST(Cluster, ATopicThatWasMadeAgainBeginsItsEpochsAnew) {
    in_sim(7, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("t", {1});
        f.lead(1, 5);
        EXPECT_TRUE(co_await f.cluster().topic("t", f.in(10)));
        for (BrokerForTests* broker : {&f.one, &f.two}) {
            broker->metadata.topics[0].topic_id = {7, 7};
        }
        f.lead(2, 0);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        EXPECT_EQ(f.cluster().metadata()->partition("t", 0)->leader_id, 2);
        co_await f.close();
    });
}

TEST(Cluster, WaitsForALeaderAndSaysWhenNoneCame) {
    in_sim(8, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("t", {1});
        f.lead(-1, 5);
        auto none = co_await f.cluster().leader({"t", 0}, f.in(3));
        CO_ASSERT(!none);
        EXPECT_EQ(none.error().code, ErrorCode::leader_not_available);
        EXPECT_THAT(none.error().message, HasSubstr("t-0 has no leader"));
        co_await f.close();
    });
}

TEST(Cluster, TurnsToWhomItCanReach) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        co_await f.one.stop();
        EXPECT_EQ(co_await who(f.cluster().any()), 2);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        co_await f.two.stop();
        f.one.start();
        EXPECT_EQ(co_await who(f.cluster().any()), 1);
        co_await f.close();
    });
}

TEST(Cluster, NamesAllThatItTried) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        co_await f.one.stop();
        co_await f.two.stop();
        auto none = co_await f.cluster().any();
        CO_ASSERT(!none);
        EXPECT_EQ(none.error().code, ErrorCode::network_exception);
        EXPECT_THAT(none.error().message,
                    AllOf(HasSubstr(f.one.bootstrap()), HasSubstr(f.two.bootstrap()),
                          HasSubstr("advertised.listeners")));
        auto refreshed = co_await f.cluster().refresh(shard.now() + Duration::milliseconds(100));
        CO_ASSERT(!refreshed);
        EXPECT_EQ(refreshed.error().code, ErrorCode::request_timed_out);
        EXPECT_THAT(refreshed.error().message, HasSubstr(f.one.bootstrap()));
        co_await f.close();
    });
}

TEST(Cluster, ReconnectsWithGrowingPauses) {
    in_sim(9, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        auto connection = co_await f.cluster().broker(1);
        CO_ASSERT(connection);
        co_await f.one.stop();
        while ((*connection)->is_open()) {
            co_await env::sleep_for(shard, Duration::milliseconds(1));
        }
        std::vector<std::int64_t> pauses;
        for (int i = 0; i < 10; ++i) {
            Time before = shard.now();
            EXPECT_FALSE(co_await f.cluster().broker(1));
            pauses.push_back((shard.now() - before).ms());
        }
        EXPECT_LT(pauses[0], 20);    // the first attempt is at once
        EXPECT_GE(pauses[1], 40);    // 50 ms, a fifth less
        EXPECT_GE(pauses[9], 800);   // reconnect.backoff.max.ms, a fifth less
        EXPECT_LE(pauses[9], 1210);  // and a fifth more
        f.one.start();
        EXPECT_EQ(co_await who(f.cluster().broker(1)), 1);
        co_await f.close();
    });
}

TEST(Cluster, ManyWhoWaitMakeOneConnection) {
    in_sim(10, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        int accepted = f.two.accepted;
        std::vector<Task<std::int32_t>> calls;
        for (int i = 0; i < 30; ++i) calls.push_back(who(f.cluster().broker(2, Lane::fetch)));
        for (std::int32_t id : co_await gather(std::move(calls))) EXPECT_EQ(id, 2);
        EXPECT_EQ(f.two.accepted, accepted + 1);
        co_await f.close();
    });
}

TEST(Cluster, FollowsABrokerThatMoves) {
    in_sim(11, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_EQ(co_await who(f.cluster().broker(2)), 2);
        for (BrokerForTests* broker : {&f.one, &f.two}) {
            broker->metadata.brokers[1].port = f.one.address().port;
        }
        EXPECT_TRUE(co_await f.cluster().refresh(f.in(10)));
        EXPECT_EQ(co_await who(f.cluster().broker(2)), 1);
        co_await f.close();
    });
}

TEST(Cluster, RemembersCoordinators) {
    for (std::int16_t version : {std::int16_t{1}, std::int16_t{4}}) {
        in_sim(12, [version](Shard& shard) -> Task<void> {
            Fixture f(shard);
            std::int32_t coordinator = 2;
            for (BrokerForTests* broker : {&f.one, &f.two}) {
                broker->versions[ApiKey::find_coordinator] = {0, version};
                broker->on<FindCoordinatorRequest>(
                    [&](const FindCoordinatorRequest& request, std::int16_t) {
                        FindCoordinatorResponse response;
                        auto error = coordinator > 0 ? ErrorCode::none
                                                     : ErrorCode::coordinator_not_available;
                        response.error_code = error;
                        response.node_id = coordinator;
                        response.host = "127.0.0.1";
                        response.port = f.two.address().port;
                        for (const std::string& key : request.coordinator_keys) {
                            response.coordinators.push_back(
                                {key, coordinator, response.host, response.port, error, {}});
                        }
                        if (version >= 4) {
                            response = {.coordinators = std::move(response.coordinators)};
                        }
                        return response;
                    });
            }
            auto asked = [&] {
                return f.one.count(ApiKey::find_coordinator) +
                       f.two.count(ApiKey::find_coordinator);
            };
            Cluster& cluster = f.cluster();
            EXPECT_EQ(co_await who(cluster.coordinator(CoordinatorType::group, "g")), 2);
            EXPECT_EQ(co_await who(cluster.coordinator(CoordinatorType::group, "g")), 2);
            EXPECT_EQ(asked(), 1);
            cluster.forget_coordinator(CoordinatorType::group, "g");
            coordinator = -1;
            auto none = co_await cluster.coordinator(CoordinatorType::group, "g");
            CO_ASSERT(!none);
            EXPECT_EQ(none.error().code, ErrorCode::coordinator_not_available);
            EXPECT_THAT(none.error().message, HasSubstr("no coordinator of group 'g'"));
            EXPECT_EQ(asked(), 2);
            co_await f.close();
        });
    }
}

TEST(Cluster, EndsWhoWaitsWhenItIsClosed) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        co_await f.one.stop();
        co_await f.two.stop();
        auto close = [](Fixture& fixture) -> Task<void> {
            co_await env::sleep_for(fixture.shard, Duration::milliseconds(20));
            co_await fixture.cluster().close();
        };
        Scope scope(shard);
        scope.spawn(close(f));
        auto topic = co_await f.cluster().topic("t", f.in(600));
        CO_ASSERT(!topic);
        EXPECT_THAT(topic.error().message, HasSubstr("closed"));
        co_await scope.join();
        co_await f.close();
    });
}

}  // namespace
}  // namespace millrace::client
