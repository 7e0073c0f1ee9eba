// Quotas of clients on a node of several shards in the simulator: what connections to all of them
// do is counted together, and the waits are those that one rate gives.

#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

#include "core/quotas/rate.h"
#include "protocol/alter_client_quotas.h"
#include "protocol/fetch.h"
#include "protocol/produce.h"
#include "records/builder.h"
#include "server/clients_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr double bound = 10'000;
constexpr std::int16_t by_name = 12;  // the last versions that name topics

using Body = std::function<Task<void>(env::Shard&)>;

// A node of four shards with a topic, and what clients do with it.
void on_node(const Body& body) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        env::sim::World world(seed);
        SimulatedLog log(world);
        SimulatedNode node(world, 4);
        env::sim::Node& clients = world.add_node("clients");
        node.start_and_wait();
        run_on(world, clients, [](env::Shard& shard) { return create_topic(shard, "t", 4, true); });
        run_on(world, clients, body);
        node.ask_to_stop();
        EXPECT_TRUE(world.run_until([&] { return !node.running(); }));
    }
}

Task<void> set_quota(env::Shard& shard, std::string key, std::optional<double> value) {
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        AlterClientQuotasRequest request;
        auto& entry = request.entries.emplace_back();
        auto& part = entry.entity.emplace_back();
        part.entity_type = "user";
        part.entity_name = "ANONYMOUS";
        entry.ops.push_back({key, value.value_or(0), !value.has_value()});
        auto broker = co_await admin.cluster().controller();
        CHECK(broker.has_value());
        auto reply = co_await (*broker)->call(request);
        EXPECT_TRUE(reply && reply->response.entries.at(0).error_code == ErrorCode::none);
    });
}

template <typename Request>
Task<typename Request::Response> call(client::Admin& admin, const Request& request) {
    auto broker = co_await admin.cluster().any();
    CHECK(broker.has_value());
    auto reply = co_await (*broker)->call(request, {.max_version = by_name});
    if (!reply) ADD_FAILURE() << reply.error().message;
    CHECK(reply.has_value());
    co_return std::move(reply->response);
}

// The wait that a produce to a partition is told.
Task<std::int32_t> produce(client::Admin& admin, std::int32_t partition, std::size_t size) {
    std::string value(size, 'v');
    BatchBuilder builder;
    builder.append(0, std::nullopt, as_bytes(value));
    ProduceRequest request;
    request.acks = 1;
    request.timeout_ms = 30'000;
    request.topic_data = {
        {.name = "t", .partition_data = {{.index = partition, .records = builder.build()}}}};
    co_return (co_await call(admin, request)).throttle_time_ms;
}

TEST(Quotas, ConnectionsOfAllShardsAreOneClient) {
    on_node([](env::Shard& shard) -> Task<void> {
        co_await set_quota(shard, "producer_byte_rate", bound);
        // Each by a connection of its own, on whichever shard; ten seconds' worth come at once.
        std::vector<std::int32_t> told;
        Time begun = shard.now();
        for (std::int32_t i = 0; i < 10; ++i) {
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                told.push_back(co_await produce(admin, i % 4, 20'000));
            });
        }
        auto passed = static_cast<std::int32_t>((shard.now() - begun).ms());
        for (std::int32_t i = 0; i < 10; ++i) {
            std::int32_t least = std::max(0, (i + 1) * 2000 - 10'000 - passed);
            EXPECT_GE(told[static_cast<std::size_t>(i)], least) << i;
            EXPECT_LE(told[static_cast<std::size_t>(i)], least + passed + 200) << i;
        }
        EXPECT_GT(told.back(), 5000);
        co_await set_quota(shard, "producer_byte_rate", std::nullopt);
        co_await with_admin(shard, [](client::Admin& admin) -> Task<void> {
            EXPECT_EQ(co_await produce(admin, 0, 20'000), 0) << "it was taken back";
        });
    });
}

// How many produces to all partitions a client may make at once, of ten percent of a thread, where
// each piece of work takes a millisecond: there is a reading of the clock at its end.
int produces_until_told(std::uint64_t seed, int shards) {
    env::sim::World world(seed);
    SimulatedLog log(world);
    SimulatedNode node(world, shards);
    Duration passed;
    node.measure_with([&] { return Time() + (passed = passed + Duration::milliseconds(1)); });
    env::sim::Node& clients = world.add_node("clients");
    node.start_and_wait();
    run_on(world, clients, [](env::Shard& shard) { return create_topic(shard, "t", 4, true); });
    int produces = 0;
    run_on(world, clients, [&](env::Shard& shard) -> Task<void> {
        co_await set_quota(shard, "request_percentage", 10);
        Time begun = shard.now();
        for (std::int32_t told = 0; told == 0 && produces < 4000; ++produces) {
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                told = co_await produce(admin, produces % 4, 10);
            });
        }
        EXPECT_LT(shard.now() - begun, Duration::seconds(5));
    });
    node.ask_to_stop();
    EXPECT_TRUE(world.run_until([&] { return !node.running(); }));
    return produces;
}

// The time that requests take is of one client, whichever shards its connections and the partitions
// are on: what is done on another shard is one more piece of work.
TEST(Quotas, WorkOfAllShardsIsOneClients) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        int alone = produces_until_told(seed, 1);
        int spread = produces_until_told(seed, 4);
        EXPECT_GT(spread, 100);
        EXPECT_LT(spread * 10, alone * 9) << spread << " on four shards, " << alone << " on one";
    }
}

TEST(Quotas, AThrottledConnectionIsMuted) {
    on_node([](env::Shard& shard) -> Task<void> {
        co_await set_quota(shard, "producer_byte_rate", bound);
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            Time begun = shard.now();
            std::int32_t told = co_await produce(admin, 0, 130'000);
            EXPECT_GT(told, 3000);
            EXPECT_LT(shard.now() - begun, Duration::seconds(1)) << "the answer does not wait";
            Time answered = shard.now();
            co_await produce(admin, 1, 10);
            EXPECT_GE(shard.now() - answered, Duration::milliseconds(told - 100));
        });
    });
}

TEST(Quotas, AThrottledFetchBringsNothing) {
    on_node([](env::Shard& shard) -> Task<void> {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            for (int i = 0; i < 4; ++i) co_await produce(admin, 0, 30'000);
        });
        co_await set_quota(shard, "consumer_byte_rate", bound);
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            auto fetch = [&](std::int64_t offset) -> Task<FetchResponse> {
                FetchRequest request;
                request.max_wait_ms = 100;
                request.min_bytes = 1;
                request.max_bytes = 31'000;
                request.session_epoch = 0;
                request.topics = {
                    {.topic = "t",
                     .partitions = {
                         {.partition = 0, .fetch_offset = offset, .partition_max_bytes = 31'000}}}};
                co_return co_await call(admin, request);
            };
            for (std::int64_t offset = 0; offset < 3; ++offset) {
                FetchResponse response = co_await fetch(offset);
                EXPECT_EQ(response.throttle_time_ms, 0);
                EXPECT_EQ(response.responses.size(), 1U);
                EXPECT_NE(response.session_id, 0);
            }
            FetchResponse response = co_await fetch(3);
            EXPECT_GT(response.throttle_time_ms, 1000);
            EXPECT_TRUE(response.responses.empty());
            EXPECT_EQ(response.session_id, 0) << "the client cannot know it";
            while (response.throttle_time_ms > 0) response = co_await fetch(3);
            EXPECT_EQ(response.responses.size(), 1U) << "nothing was lost";
        });
    });
}

}  // namespace
}  // namespace millrace::server
