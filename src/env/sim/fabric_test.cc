#include "env/sim/fabric.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/network.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

Task<int> idle(Shard& here) {
    co_await sleep_until(here, Time::never());
    co_return 0;
}

// Two nodes with a connection between them; tests pull its ends from outside.
class TwoNodes {
  public:
    explicit TwoNodes(std::uint64_t seed)
        : world(seed), a(world.add_node("a")), b(world.add_node("b")) {}
    ~TwoNodes() {
        client.reset();
        server.reset();
        listener.reset();
    }

    void connect() {
        a.start(idle);
        b.start(idle);
        connect_again();
    }
    void connect_again() {
        b.spawn(0, [this](Shard& here) -> Task<void> {
            if (!listener) listener = *here.network().listen({"", 9092});
            server = *co_await listener->accept();
        });
        a.spawn(0, [this](Shard& here) -> Task<void> {
            client = *co_await here.network().connect({"b", 9092});
        });
        ASSERT_TRUE(world.run_until([&] { return client && server; }));
    }
    // Writes from a node's process; the outcome is there when it has ended.
    struct Written {
        bool ended = false;
        Result<> result;
        Time at;
    };
    std::shared_ptr<Written> write(Node& node, Connection& to, std::string text) {
        auto written = std::make_shared<Written>();
        node.spawn(0, [written, &to, text](Shard& here) -> Task<void> {
            written->result = co_await to.write(Slice::copy(text));
            written->at = here.now();
            written->ended = true;
        });
        return written;
    }
    // Reads what comes, until the end or an error.
    struct Read {
        std::string bytes;
        bool ended = false;
        std::string error;
    };
    std::shared_ptr<Read> read(Node& node, Connection& from) {
        auto read = std::make_shared<Read>();
        node.spawn(0, [read, &from](Shard&) -> Task<void> {
            std::vector<std::uint8_t> buffer(1000);
            for (;;) {
                Result<std::size_t> count = co_await from.read(buffer);
                if (!count) read->error = count.error().message;
                if (!count || *count == 0) break;
                read->bytes += as_string(Bytes(buffer).first(*count));
            }
            read->ended = true;
        });
        return read;
    }
    // The outcome of connecting from `a`, and how long it took.
    struct Tried {
        bool ended = false;
        std::string error;
        Duration took;
    };
    Tried try_connect(Address to) {
        Tried tried;
        Time start = world.now();
        a.spawn(0, [&](Shard& here) -> Task<void> {
            auto made = co_await here.network().connect(to);
            if (!made) tried.error = made.error().message;
            tried.ended = true;
        });
        EXPECT_TRUE(world.run_until([&] { return tried.ended; }));
        tried.took = world.now() - start;
        return tried;
    }
    Fabric& fabric() { return world.fabric(); }

    World world;
    Node& a;
    Node& b;
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Connection> client;
    std::unique_ptr<Connection> server;
};

TEST(Fabric, NodesAreFoundByNameAndByAddress) {
    TwoNodes two(1);
    two.connect();
    EXPECT_EQ(two.client->peer(), (Address{two.b.address(), 9092}));
    EXPECT_EQ(two.server->peer().host, two.a.address());
    EXPECT_EQ(two.try_connect({two.b.address(), 9092}).error, "");
    EXPECT_EQ(two.try_connect({"c", 9092}).error,
              "the name c has no address: Name or service not known");
}

TEST(Fabric, AMachineWithoutAListenerRefusesAndOneWithoutPowerIsSilent) {
    TwoNodes two(1);
    two.a.start(idle);
    TwoNodes::Tried refused = two.try_connect({"b", 9092});
    EXPECT_EQ(refused.error, "connecting to b:9092: Connection refused");
    EXPECT_LT(refused.took, Duration::milliseconds(10));
    two.world.crash(two.b);
    TwoNodes::Tried silent = two.try_connect({"b", 9092});
    EXPECT_EQ(silent.error, "connecting to b:9092: Connection timed out");
    EXPECT_GE(silent.took, two.fabric().conditions.give_up_after);
    EXPECT_LT(silent.took, two.fabric().conditions.give_up_after + Duration::seconds(1));
    EXPECT_EQ(two.try_connect({"10.9.9.9", 1}).error,
              "connecting to 10.9.9.9:1: Connection timed out");
    // A listener of the machine's own loopback address is not for others.
    two.b.start(idle);
    two.b.spawn(0, [&](Shard& here) -> Task<void> {
        two.listener = *here.network().listen({"localhost", 9092});
        co_return;
    });
    two.world.run_for(Duration::milliseconds(1));
    EXPECT_EQ(two.try_connect({"b", 9092}).error, "connecting to b:9092: Connection refused");
}

TEST(Fabric, WhatIsLostAcrossACutArrivesOnceItIsHealed) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TwoNodes two(seed);
        two.connect();
        auto read = two.read(two.b, *two.server);
        two.fabric().cut({&two.a}, {&two.b});
        auto first = two.write(two.a, *two.client, "one ");
        two.world.run_for(Duration::seconds(1));
        auto second = two.write(two.a, *two.client, "two");
        two.world.run_for(Duration::seconds(7));
        EXPECT_EQ(read->bytes, "");
        two.fabric().heal();
        two.world.run_for(Duration::seconds(10));
        EXPECT_EQ(read->bytes, "one two") << "seed " << seed;
        EXPECT_TRUE(first->ended && second->ended);
    }
}

TEST(Fabric, AcrossALongCutTheSenderGivesUpAndTheReceiverLearnsNothing) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TwoNodes two(seed);
        two.connect();
        auto at_server = two.read(two.b, *two.server);
        auto at_client = two.read(two.a, *two.client);
        two.fabric().cut({&two.a}, {&two.b});
        Time start = two.world.now();
        two.write(two.a, *two.client, "lost");
        ASSERT_TRUE(two.world.run_until([&] { return at_client->ended; }));
        EXPECT_TRUE(at_client->error.ends_with("Connection timed out")) << at_client->error;
        EXPECT_GE(two.world.now() - start, two.fabric().conditions.give_up_after);
        two.fabric().heal();
        two.world.run_for(Duration::seconds(1000));
        EXPECT_FALSE(at_server->ended);  // half open
        // Until it speaks itself.
        two.write(two.b, *two.server, "anybody?");
        ASSERT_TRUE(two.world.run_until([&] { return at_server->ended; }));
        EXPECT_TRUE(at_server->error.ends_with("Connection reset by peer")) << at_server->error;
        EXPECT_EQ(at_server->bytes, "");
        EXPECT_EQ(two.fabric().connections(), 0U);
    }
}

TEST(Fabric, AOneWayCutLetsBytesThroughAndTheirConfirmationNot) {
    TwoNodes two(3);
    two.connect();
    auto at_server = two.read(two.b, *two.server);
    auto at_client = two.read(two.a, *two.client);
    two.fabric().cut_one_way({&two.b}, {&two.a});
    two.write(two.a, *two.client, "heard");
    two.world.run_for(Duration::seconds(10));
    EXPECT_EQ(at_server->bytes, "heard");
    EXPECT_FALSE(at_client->ended);
    two.world.run_for(Duration::seconds(20));
    EXPECT_TRUE(at_client->error.ends_with("Connection timed out"));
    EXPECT_EQ(at_server->bytes, "heard");  // once, however often it was sent
    EXPECT_EQ(two.try_connect({"b", 9092}).error, "connecting to b:9092: Connection timed out");
}

TEST(Fabric, AMachineThatLostItsPowerIsHalfOpenUntilOneWrites) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TwoNodes two(seed);
        two.connect();
        auto read = two.read(two.a, *two.client);
        two.world.crash(two.b);
        two.world.run_for(Duration::seconds(500));
        EXPECT_FALSE(read->ended);
        Time start = two.world.now();
        if (seed % 2 == 0) two.b.start(idle);
        two.write(two.a, *two.client, "hello?");
        ASSERT_TRUE(two.world.run_until([&] { return read->ended; }));
        Duration took = two.world.now() - start;
        if (seed % 2 == 0) {  // it is back, and knows nothing of the connection
            EXPECT_TRUE(read->error.ends_with("Connection reset by peer"));
            EXPECT_LT(took, Duration::milliseconds(10));
        } else {
            EXPECT_TRUE(read->error.ends_with("Connection timed out"));
            EXPECT_GE(took, two.fabric().conditions.give_up_after);
        }
    }
}

TEST(Fabric, AKilledProcessIsLearntOfAtOnce) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TwoNodes two(seed);
        two.connect();
        auto read = two.read(two.a, *two.client);
        two.write(two.b, *two.server, "last words");
        two.world.run_for(Duration());
        two.world.kill(two.b);
        ASSERT_TRUE(two.world.run_until([&] { return read->ended; }, Duration::seconds(1)));
        EXPECT_EQ(read->bytes, "last words") << "seed " << seed;  // they were with the system
        EXPECT_EQ(read->error, "");
        EXPECT_TRUE(two.try_connect({"b", 9092}).error.ends_with("Connection refused"));
    }
}

TEST(Fabric, AResetBreaksBothEnds) {
    TwoNodes two(1);
    two.connect();
    auto at_server = two.read(two.b, *two.server);
    auto at_client = two.read(two.a, *two.client);
    two.fabric().reset(two.b, two.a);
    two.world.run_for(Duration::milliseconds(1));
    EXPECT_TRUE(at_server->error.ends_with("Connection reset by peer"));
    EXPECT_TRUE(at_client->error.ends_with("Connection reset by peer"));
    EXPECT_EQ(two.fabric().connections(), 0U);
    two.connect_again();
}

TEST(Fabric, ConnectionsThatAreResetNowAndThenLoseTheEndOnly) {
    int broken = 0;
    std::string text(1'000'000, ' ');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        TwoNodes two(seed);
        two.connect();
        two.fabric().conditions.reset = 0.02;
        auto at_server = two.read(two.b, *two.server);
        two.write(two.a, *two.client, text);
        two.world.run_for(Duration::seconds(60));
        EXPECT_TRUE(text.starts_with(at_server->bytes)) << "seed " << seed;
        if (at_server->ended) ++broken;
        EXPECT_EQ(at_server->ended, at_server->bytes.size() < text.size());
    }
    EXPECT_GT(broken, 5);
    EXPECT_LT(broken, 55);
}

TEST(Fabric, AnIsolatedNodeTalksToItselfOnly) {
    TwoNodes two(1);
    two.connect();
    two.fabric().isolate(two.a);
    EXPECT_TRUE(two.try_connect({"b", 9092}).error.ends_with("timed out"));
    EXPECT_TRUE(two.try_connect({"localhost", 9092}).error.ends_with("refused"));
    two.fabric().heal();
    EXPECT_EQ(two.try_connect({"b", 9092}).error, "");
}

TEST(Fabric, BytesTakeTheirTime) {
    TwoNodes two(1);
    NetworkConditions slow;
    slow.latency = {Duration::milliseconds(100), Duration::milliseconds(100)};
    slow.bytes_a_second = 100'000;
    two.connect();
    two.fabric().set_conditions(two.a, two.b, slow);
    auto read = two.read(two.b, *two.server);
    Time start = two.world.now();
    two.write(two.a, *two.client, std::string(1'000'000, 'x'));
    ASSERT_TRUE(two.world.run_until([&] { return read->bytes.size() == 1'000'000; }));
    EXPECT_GE(two.world.now() - start, Duration::seconds(10));
    EXPECT_LT(two.world.now() - start, Duration::seconds(12));
}

TEST(Fabric, AFullBacklogKeepsConnectionsWaiting) {
    TwoNodes two(1);
    two.connect();
    two.fabric().conditions.backlog = 2;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(two.try_connect({"b", 9092}).error, "");
    EXPECT_TRUE(two.try_connect({"b", 9092}).error.ends_with("Connection timed out"));
}

TEST(Fabric, AWriterWaitsForRoomAndLearnsOfItDespiteLosses) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TwoNodes two(seed);
        two.connect();
        std::size_t window = two.fabric().conditions.window;
        auto written = two.write(two.a, *two.client, std::string(window + 100, 'w'));
        two.world.run_for(Duration::seconds(50));
        EXPECT_FALSE(written->ended);
        // The news of room is lost; the writer asks for it.
        two.fabric().cut_one_way({&two.b}, {&two.a});
        auto read = two.read(two.b, *two.server);
        two.world.run_for(Duration::seconds(2));
        EXPECT_EQ(read->bytes.size(), window);
        two.fabric().heal();
        two.world.run_for(Duration::seconds(5));
        EXPECT_TRUE(written->ended && written->result) << "seed " << seed;
        EXPECT_EQ(read->bytes.size(), window + 100);
    }
}

TEST(Fabric, AWriterThatWaitsForRoomGivesUpWhenTheMachineIsGone) {
    TwoNodes two(1);
    two.connect();
    auto written = two.write(two.a, *two.client, std::string(1 << 20, 'w'));
    two.world.run_for(Duration::seconds(5));
    EXPECT_FALSE(written->ended);
    two.world.crash(two.b);
    ASSERT_TRUE(two.world.run_until([&] { return written->ended; }, Duration::seconds(60)));
    ASSERT_FALSE(written->result);
    EXPECT_TRUE(written->result.error().message.ends_with("Connection timed out"));
}

TEST(Fabric, ConnectionsOvertakeOneAnother) {
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        TwoNodes two(seed);
        two.connect();
        auto first_client = std::move(two.client);
        auto first_server = std::move(two.server);
        two.connect_again();
        std::string order;
        auto note = [&order](Connection& from, char what) {
            return [&order, &from, what](Shard&) -> Task<void> {
                std::uint8_t byte = 0;
                if (co_await from.read({&byte, 1})) order += what;
            };
        };
        two.b.spawn(0, note(*first_server, '1'));
        two.b.spawn(0, note(*two.server, '2'));
        two.write(two.a, *first_client, "x");
        two.write(two.a, *two.client, "x");
        two.world.run_for(Duration::milliseconds(10));
        orders.insert(order);
    }
    EXPECT_EQ(orders, (std::set<std::string>{"12", "21"}));
}

TEST(Fabric, NothingIsLeftOfConnectionsThatBothEndsHaveClosed) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        TwoNodes two(seed);
        two.connect();
        two.write(two.a, *two.client, "unread");
        if (seed % 3 == 0) two.fabric().cut({&two.a}, {&two.b});
        two.world.run_for(Duration::microseconds(two.world.random().between(0, 900)));
        two.client.reset();
        two.world.run_for(Duration::microseconds(two.world.random().between(0, 900)));
        two.server.reset();
        two.world.run_for(Duration::seconds(60));
        EXPECT_EQ(two.fabric().connections(), 0U) << "seed " << seed;
    }
}

}  // namespace
}  // namespace millrace::env::sim
