// A whole node in the simulator, from its first start to what a group finds after a restart.

#include <gtest/gtest.h>
#include <map>
#include <set>

#include "server/clients_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

using client::TopicPartition;

constexpr std::string_view member = "group.id=g\nauto.offset.reset=earliest\n";
constexpr int record_count = 200;

struct Outcome {
    std::uint64_t hash = 0;
    std::uint64_t length = 0;
    std::int64_t now = 0;
    bool operator==(const Outcome&) const = default;
};

Task<void> produce(env::Shard& shard, int first, int count) {
    co_await with_producer(shard, "linger.ms=5\n", [=](client::Producer& producer) -> Task<void> {
        std::vector<client::Delivery> deliveries;
        for (int i = first; i < first + count; ++i) {
            std::string key = fmt::format("k{}", i % 10);
            std::string value = fmt::format("v{}", i);
            auto delivery = co_await producer.send(
                {.topic = "t", .key = as_bytes(key), .value = as_bytes(value)});
            EXPECT_TRUE(delivery) << (delivery ? "" : delivery.error().message);
            if (!delivery) co_return;
            deliveries.push_back(*delivery);
        }
        for (const auto& delivery : deliveries) EXPECT_TRUE(co_await delivery.get());
    });
}

// Reads as the one member of a group until `count` records are there, and commits.
Task<void> consume(env::Shard& shard, std::size_t count, std::multiset<std::string>& values) {
    co_await with_consumer(shard, member, [&](client::Consumer& consumer) -> Task<void> {
        EXPECT_TRUE(consumer.subscribe({"t"}));
        std::size_t read = 0;
        Time most = shard.now() + Duration::seconds(120);
        while (read < count && shard.now() < most) {
            auto records = co_await consumer.poll(Duration::seconds(1));
            EXPECT_TRUE(records) << (records ? "" : records.error().message);
            if (!records) co_return;
            read += records->count;
            for (const auto& batch : records->batches) {
                for (const auto& record : batch.records) values.emplace(as_string(*record.value));
            }
        }
        Result<> committed = co_await consumer.commit();
        EXPECT_TRUE(committed) << (committed ? "" : committed.error().message);
    });
}

Outcome live(std::uint64_t seed) {
    env::sim::World world(seed, {.shuffle_coroutines = seed % 2 == 0});
    SimulatedLog log(world);
    SimulatedNode node(world, 2);
    env::sim::Node& clients = world.add_node("clients");
    std::multiset<std::string> values;
    auto on_clients = [&](std::function<Task<void>(env::Shard&)> body) {
        int code = world.run(clients, [&](env::Shard& shard) -> Task<int> {
            co_await body(shard);
            co_return 0;
        });
        EXPECT_EQ(code, 0);
    };
    auto shut_down = [&] {
        node.ask_to_stop();
        EXPECT_TRUE(world.run_until([&] { return !node.running(); }));
        EXPECT_EQ(node.machine().exit_code(), 0);
    };

    node.start();
    EXPECT_TRUE(world.run_until([&] { return node.ready(); }));
    on_clients([](env::Shard& shard) { return create_topic(shard, "t", 4); });
    on_clients([](env::Shard& shard) { return produce(shard, 0, record_count); });
    on_clients([&](env::Shard& shard) { return consume(shard, record_count, values); });
    EXPECT_EQ(values.size(), record_count);
    shut_down();

    // What the machine had in memory is gone; the rest was synced.
    world.crash(node.machine());
    node.start();
    EXPECT_TRUE(world.run_until([&] { return node.ready(); }));
    on_clients([](env::Shard& shard) { return produce(shard, record_count, record_count); });
    on_clients([&](env::Shard& shard) { return consume(shard, record_count, values); });
    shut_down();

    // Each once: the group went on where it had committed.
    EXPECT_EQ(values.size(), 2 * record_count);
    for (int i = 0; i < 2 * record_count; ++i) {
        EXPECT_EQ(values.count(fmt::format("v{}", i)), 1U) << "v" << i;
    }
    return {world.trace().hash(), world.trace().length(), (world.now() - Time()).ns()};
}

TEST(SimulatedNode, AGroupGoesOnAfterARestart) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        live(seed);
        if (HasFailure()) return;
    }
}

TEST(SimulatedNode, TheSameSeedGivesTheSameTrace) {
    Outcome first = live(7);
    EXPECT_GT(first.length, 1000U);
    EXPECT_EQ(first, live(7));
    EXPECT_NE(first.hash, live(8).hash);
}

}  // namespace
}  // namespace millrace::server
