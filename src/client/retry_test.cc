#include "client/retry.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cluster_for_tests.h"
#include "env/sim/fabric.h"
#include "protocol/heartbeat.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::AllOf;
using testing::HasSubstr;
using Fixture = ClusterForTests;

TEST(Retry, RepeatsWhatIsRetriableUntilTheDeadline) {
    in_sim(13, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        Cluster& cluster = f.cluster();
        int attempts = 0;
        auto third = [&]() -> Task<Result<int>> {
            if (++attempts < 3) co_return fail(ErrorCode::not_leader_or_follower, "moved");
            co_return 42;
        };
        auto result = co_await with_retries(cluster, "trying", f.in(10), third);
        CO_ASSERT(result);
        EXPECT_EQ(*result, 42);
        EXPECT_GT(f.metadata_requests(), 0);  // asked for by the error

        auto never = [&]() -> Task<Result<int>> {
            ++attempts;
            co_return fail(ErrorCode::not_enough_replicas, "only 1 of 2");
        };
        attempts = 0;
        auto late = co_await with_retries(cluster, "producing", f.in(5), never);
        CO_ASSERT(!late);
        EXPECT_EQ(late.error().code, ErrorCode::request_timed_out);
        EXPECT_THAT(late.error().message,
                    AllOf(HasSubstr("producing: "), HasSubstr("only 1 of 2")));
        EXPECT_GT(attempts, 5);
        EXPECT_LT(attempts, 12);  // 100, 200, 400, 800, 1000, 1000 ...

        auto refused = [&]() -> Task<Result<int>> {
            ++attempts;
            co_return fail(ErrorCode::invalid_topic_exception, "no");
        };
        attempts = 0;
        auto wrong = co_await with_retries(cluster, "creating", f.in(5), refused);
        CO_ASSERT(!wrong);
        EXPECT_EQ(wrong.error().message, "no");
        EXPECT_EQ(attempts, 1);

        auto hangs = [&]() -> Task<Result<int>> {
            co_await env::sleep_for(shard, Duration::seconds(100));
            co_return 1;
        };
        Time before = shard.now();
        EXPECT_FALSE(co_await with_retries(cluster, "waiting", f.in(5), hangs));
        EXPECT_EQ((shard.now() - before).ms() / 1000, 5);
        co_await f.close();
    });
}

// Connections break and brokers go away and come back: every call that is repeated succeeds in the
// end.
TEST(Retry, GetsThroughABadNetwork) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        env::sim::World world(seed, {.shuffle_coroutines = true});
        env::sim::Node& server = world.add_node("server");
        env::sim::Node& client = world.add_node("client");
        world.fabric().conditions.reset = 0.02;
        std::unique_ptr<Fixture> f;
        bool done = false;
        server.start([&](Shard& shard) -> Task<int> {
            f = std::make_unique<Fixture>(shard, "");
            for (int i = 0;; ++i) {
                if (done) break;
                co_await env::sleep_for(shard, Duration::seconds(2));
                BrokerForTests& broker = i % 2 == 0 ? f->one : f->two;
                co_await broker.stop();
                co_await env::sleep_for(shard, Duration::seconds(1));
                broker.start();
            }
            co_await f->close();
            co_return 0;
        });
        CHECK(world.run_until([&] { return f != nullptr; }));
        std::uint16_t port = f->one.address().port;
        std::uint16_t other = f->two.address().port;
        for (BrokerForTests* broker : {&f->one, &f->two}) {
            for (auto& info : broker->metadata.brokers) info.host = "server";
        }
        int answered = 0;
        EXPECT_EQ(
            world.run(client,
                      [&](Shard& shard) -> Task<int> {
                          ClusterOptions options;
                          options.bootstrap = {{"server", port}, {"server", other}};
                          Cluster cluster(shard, options);
                          auto beat = [&]() -> Task<Result<std::int32_t>> {
                              ASSIGN_OR_CO_RETURN(auto connection,
                                                  co_await cluster.broker(1 + answered % 2));
                              ASSIGN_OR_CO_RETURN(
                                  auto reply,
                                  co_await connection->call(HeartbeatRequest{.group_id = "g"}));
                              co_return reply.response.throttle_time_ms;
                          };
                          for (; answered < 100; ++answered) {
                              Time deadline = shard.now() + Duration::seconds(60);
                              auto id = co_await with_retries(cluster, "beating", deadline, beat);
                              EXPECT_TRUE(id);
                              if (id) EXPECT_EQ(*id, 1 + answered % 2);
                              co_await env::sleep_for(shard, Duration::milliseconds(100));
                          }
                          co_await cluster.close();
                          co_return 0;
                      }),
            0);
        done = true;
        CHECK(world.run_until([&] { return server.exit_code().has_value(); }));
        EXPECT_EQ(answered, 100);
    }
}

}  // namespace
}  // namespace millrace::client
