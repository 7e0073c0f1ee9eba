#include "net/excess_connections.h"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include "env/posix/world.h"
#include "metrics/registry.h"
#include "protocol/frame.h"
#include "protocol/heartbeat.h"

namespace millrace::net {
namespace {

using env::Shard;
using Link = std::unique_ptr<env::Connection>;

class Answering final : public RequestHandler {
  public:
    Task<Reply> answer(Request request) override {
        co_return Reply{.bytes = *encode_response(request.correlation_id, request.api->key,
                                                  request.version, HeartbeatResponse{})};
    }
};

// A node with a listener for clients and one for brokers, and two connections at most.
class Fixture {
  public:
    explicit Fixture(Shard& s)
        : shard(s),
          counts(limits),
          metrics(s.now()),
          server(s, handler, {}, 1 << 20, counts, metrics),
          scope(s) {
        for (ListenerInfo* info : {&clients, &brokers}) EXPECT_TRUE(server.listen(*info));
        scope.spawn(close_excess_connections(s, counts, {&server}));
    }
    Task<Link> connect(const ListenerInfo& info) {
        auto connection = co_await shard.network().connect(info.bind);
        EXPECT_TRUE(connection);
        co_return std::move(*connection);
    }
    // Whether a request is answered.
    static Task<bool> is_served(env::Connection& connection) {
        auto request = encode_request(7, "test", 4, HeartbeatRequest{.group_id = "g"});
        if (!co_await connection.write(*std::move(request))) co_return false;
        std::uint8_t size[4];
        if (!co_await env::read_exactly(connection, size)) co_return false;
        std::vector<std::uint8_t> body(load_be<std::uint32_t>(size));
        co_return (co_await env::read_exactly(connection, body)).has_value();
    }
    Task<void> until_there_are(std::size_t count) {
        while (counts.total() != count || server.connections() != count)
            co_await env::sleep_for(shard, Duration::microseconds(100));
    }

    Shard& shard;
    ConnectionCounts::Limits limits{.total = 2, .of_brokers = "BROKERS"};
    ListenerInfo clients{.name = "CLIENTS", .bind = {"127.0.0.1", 0}};
    ListenerInfo brokers{.name = "BROKERS", .bind = {"127.0.0.1", 0}};
    Answering handler;
    ConnectionCounts counts;
    metrics::Registry metrics;
    Server server;
    Scope scope;
};

void with_fixture(const std::function<Task<void>(Fixture&)>& test) {
    env::posix::World world({.shards = 1});
    world.run([&](Shard& shard) -> Task<int> {
        Fixture f(shard);
        co_await test(f);
        co_await f.server.stop(shard.now() + Duration::seconds(5));
        co_await f.scope.close();
        co_return 0;
    });
}

TEST(ExcessConnections, ABrokerTakesThePlaceOfTheLeastRecentlyUsedClient) {
    with_fixture([](Fixture& f) -> Task<void> {
        Link used = co_await f.connect(f.clients);
        EXPECT_TRUE(co_await f.is_served(*used));
        Link rests = co_await f.connect(f.clients);
        EXPECT_TRUE(co_await f.is_served(*rests));
        EXPECT_TRUE(co_await f.is_served(*used));
        Link broker = co_await f.connect(f.brokers);
        EXPECT_TRUE(co_await f.is_served(*broker));
        co_await f.until_there_are(2);
        EXPECT_FALSE(co_await f.is_served(*rests));
        EXPECT_TRUE(co_await f.is_served(*used));

        Link another = co_await f.connect(f.brokers);
        EXPECT_TRUE(co_await f.is_served(*another));
        co_await f.until_there_are(2);
        EXPECT_FALSE(co_await f.is_served(*used));
        Link third = co_await f.connect(f.brokers);
        EXPECT_TRUE(co_await f.is_served(*third)) << "no client is left to make room";
        for (Link* link : {&broker, &another, &third}) EXPECT_TRUE(co_await f.is_served(**link));
        EXPECT_EQ(f.counts.total(), 3U);
    });
}

TEST(ExcessConnections, LessThanThereAreLeavesThoseUsedLast) {
    with_fixture([](Fixture& f) -> Task<void> {
        Link rests = co_await f.connect(f.clients);
        EXPECT_TRUE(co_await f.is_served(*rests));
        Link used = co_await f.connect(f.clients);
        EXPECT_TRUE(co_await f.is_served(*used));
        f.limits.total = 1;
        f.counts.limit(f.limits);
        co_await f.until_there_are(1);
        EXPECT_FALSE(co_await f.is_served(*rests));
        EXPECT_TRUE(co_await f.is_served(*used));
    });
}

}  // namespace
}  // namespace millrace::net
