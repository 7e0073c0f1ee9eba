#include "env/sim/world.h"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/network.h"
#include "env/sim/fabric.h"

namespace millrace::env::sim {
namespace {

// A process that answers every connection on its port with what it was sent.
Task<int> serve_echo(Shard& here) {
    auto listener = here.network().listen({"", 9092});
    EXPECT_TRUE(listener);
    auto answer = [](std::unique_ptr<Connection> connection) -> Task<void> {
        std::uint8_t buffer[100];
        for (;;) {
            Result<std::size_t> count = co_await connection->read(buffer);
            if (!count || *count == 0) co_return;
            if (!co_await connection->write(Slice::copy(Bytes(buffer, *count)))) co_return;
        }
    };
    for (;;) {
        auto connection = co_await (*listener)->accept();
        if (!connection) co_return 1;
        here.shards().guests(here.id()).spawn(answer(*std::move(connection)));
    }
}

struct Outcome {
    std::uint64_t hash;
    std::uint64_t length;
    std::int64_t ns;
    bool operator==(const Outcome&) const = default;
};

// A little of everything: two nodes that talk, write, sync and lose their power.
Outcome live(std::uint64_t seed) {
    World world(seed, {.shuffle_coroutines = true});
    Node& server = world.add_node("server", {.shards = 2});
    Node& client = world.add_node("client", {.shards = 2});
    auto ask = [](Shard& here, std::string text) -> Task<bool> {
        auto connection = co_await here.network().connect({"server", 9092});
        if (!connection) co_return false;
        if (!co_await (*connection)->write(Slice::copy(text))) co_return false;
        std::vector<std::uint8_t> answer(text.size());
        if (!co_await read_exactly(**connection, answer)) co_return false;
        EXPECT_EQ(as_string(answer), text);
        co_return true;
    };
    auto chat = [&](Shard& here) -> Task<int> {
        auto file = here.disk().open("/log", {.write = true, .create = true});
        EXPECT_TRUE(file);
        int answered = 0;
        for (int i = 0; i < 20; ++i) {
            // A server that lost its power while it was asked never answers.
            auto text = std::to_string(here.random().below(1000));
            auto answer =
                co_await with_deadline(here, here.now() + Duration::seconds(60), ask(here, text));
            if (answer == true) ++answered;
            EXPECT_TRUE((*file)->write(static_cast<std::uint64_t>(i) * 10, as_bytes(text)));
            EXPECT_TRUE(co_await (*file)->sync());
        }
        EXPECT_GT(answered, 10);
        co_return 0;
    };
    server.start(serve_echo);
    client.start(chat);
    world.run_for(Duration::milliseconds(20));
    world.crash(server);
    world.run_for(Duration::milliseconds(20));
    world.restart(server, serve_echo);
    EXPECT_TRUE(world.run_until([&] { return !client.running(); }));
    return {world.trace().hash(), world.trace().length(), world.now().ns()};
}

TEST(World, TheSameSeedGivesTheSameTrace) {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        Outcome first = live(seed);
        EXPECT_GT(first.length, 100U);
        EXPECT_EQ(first, live(seed)) << "seed " << seed;
        EXPECT_TRUE(hashes.insert(first.hash).second) << "seed " << seed;
    }
}

TEST(World, VirtualTimeCostsNothing) {
    World world(1);
    Node& node = world.add_node("node");
    int code = world.run(node, [](Shard& here) -> Task<int> {
        Time start = here.now();
        co_await sleep_for(here, Duration::seconds(50 * 60));
        EXPECT_GE(here.now() - start, Duration::seconds(50 * 60));
        co_return 3;
    });
    EXPECT_EQ(code, 3);
    EXPECT_FALSE(node.running());
    EXPECT_FALSE(world.step());  // all is still
}

TEST(World, AMainThatReturnsAtOnceHasEnded) {
    World world(1);
    Node& node = world.add_node("node");
    EXPECT_EQ(world.run(node, [](Shard&) -> Task<int> { co_return 4; }), 4);
    EXPECT_EQ(world.run(node, [](Shard&) -> Task<int> { co_return 5; }), 5);
}

TEST(World, RunUntilStopsAtItsLimit) {
    World world(1);
    Node& node = world.add_node("node");
    node.start([](Shard& here) -> Task<int> {
        co_await sleep_for(here, Duration::seconds(100));
        co_return 0;
    });
    EXPECT_FALSE(world.run_until([] { return false; }, Duration::seconds(10)));
    EXPECT_EQ(world.now(), Time() + Duration::seconds(10));
    EXPECT_TRUE(node.running());
    world.run_for(Duration::seconds(5));
    EXPECT_EQ(world.now(), Time() + Duration::seconds(15));
    EXPECT_TRUE(world.run_until([&] { return !node.running(); }));
}

TEST(World, ClocksOfNodesDifferByTheirSkew) {
    World world(7);
    Node& right = world.add_node("right");
    Node& early = world.add_node("early", {.clock_skew_ms = -5000});
    EXPECT_EQ(right.wall_ms() - early.wall_ms(), 5000);
    early.set_clock_skew_ms(250);
    EXPECT_EQ(early.wall_ms() - right.wall_ms(), 250);
    Timestamp seen = 0;
    world.run(early, [&](Shard& here) -> Task<int> {
        Timestamp before = here.wall_ms();
        co_await sleep_for(here, Duration::seconds(2));
        seen = here.wall_ms() - before;
        co_return 0;
    });
    EXPECT_EQ(seen, 2000);
}

TEST(World, InvariantsAreCheckedAfterEveryStep) {
    World world(1);
    Node& node = world.add_node("node");
    int checks = 0;
    world.after_each_step([&] { ++checks; });
    world.run(node, [](Shard& here) -> Task<int> {
        for (int i = 0; i < 10; ++i) co_await sleep_for(here, Duration::milliseconds(1));
        co_return 0;
    });
    EXPECT_GE(checks, 10);
}

// What a process does while it is killed reaches nobody.
TEST(World, AKilledProcessUnwindsWithoutEffect) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world(seed);
        Node& node = world.add_node("node", {.shards = 2});
        int unwound = 0;
        auto guest = [&](Shard& here) -> Task<void> {
            auto file = here.disk().open("/file", {.write = true, .create = true});
            EXPECT_TRUE(file && (*file)->write(0, as_bytes("alive")));
            bool cancelled = false;
            try {
                co_await sleep_until(here, Time::never());
            } catch (const Cancelled&) {
                cancelled = true;
            }
            EXPECT_TRUE(cancelled);
            EXPECT_FALSE((*file)->write(0, as_bytes("dying")));
            EXPECT_FALSE(here.disk().open("/other", {.write = true, .create = true}));
            EXPECT_FALSE(here.network().listen({"", 1}));
            Cancellation shield(here);
            auto late = [](Shard& shard) -> Task<void> {
                co_await sleep_for(shard, Duration::seconds(1));
                EXPECT_FALSE(co_await shard.network().connect({"node", 9092}));
            };
            co_await late(here).under(shield);
            ++unwound;
        };
        node.start([&](Shard& here) -> Task<int> {
            co_await call_on(here, 1, guest);
            co_return 0;
        });
        world.run_for(Duration::seconds(1));
        Time before = world.now();
        world.kill(node);
        EXPECT_EQ(unwound, 1);
        EXPECT_EQ(world.now(), before);
        EXPECT_FALSE(node.exit_code().has_value());
        EXPECT_EQ(read_file(node.disk(), "/file"), "alive");
        EXPECT_FALSE(node.disk().exists("/other"));
        EXPECT_EQ(world.run(node, [](Shard&) -> Task<int> { co_return 6; }), 6);
    }
}

TEST(World, ALockGoesWithItsProcess) {
    World world(1);
    Node& node = world.add_node("node");
    std::unique_ptr<FileLock> kept;
    node.start([&](Shard& here) -> Task<int> {
        kept = *here.disk().lock("/.lock");
        EXPECT_FALSE(here.disk().lock("/.lock"));
        co_await sleep_until(here, Time::never());
        co_return 0;
    });
    world.run_for(Duration::milliseconds(1));
    world.kill(node);
    world.run(node, [&](Shard& here) -> Task<int> {
        auto lock = here.disk().lock("/.lock");
        EXPECT_TRUE(lock);
        kept.reset();  // of the process before: it frees nothing
        EXPECT_FALSE(here.disk().lock("/.lock"));
        co_return 0;
    });
}

}  // namespace
}  // namespace millrace::env::sim
