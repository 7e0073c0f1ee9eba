#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/condition.h"
#include "env/posix/world.h"
#include "net/http.h"
#include "net/server.h"
#include "protocol/frame.h"
#include "protocol/heartbeat.h"

namespace millrace::net {
namespace {

using env::Shard;

// Answers each request with its correlation id once it is let go; odd ones wait for `gate`.
class TestHandler final : public RequestHandler {
  public:
    Task<Reply> answer(Request request) override {
        started.push_back(request.correlation_id);
        if (request.correlation_id < 0) co_return Reply{.close = true, .reason = "asked to"};
        if (request.correlation_id % 2 == 1) co_await gate.until([this] { return open; });
        if (request.correlation_id == 1000) co_return Reply{};
        Reply reply{.bytes = *encode_response(request.correlation_id, request.api->key,
                                              request.version, HeartbeatResponse{})};
        if (request.correlation_id == 2000) reply.throttle = throttle;
        co_return reply;
    }
    std::vector<std::int32_t> started;
    Condition gate;
    bool open = false;
    Duration throttle = Duration::milliseconds(50);
};

class Fixture {
  public:
    explicit Fixture(Shard& s, SessionLimits limits = {},
                     ConnectionCounts::Limits counts_limits = {},
                     ConnectionCounts::Throttle throttle = {})
        : shard(s),
          counts(counts_limits, std::move(throttle)),
          metrics(s.now()),
          server(s, handler, limits, 1 << 20, counts, metrics) {
        info.name = "PLAINTEXT";
        info.bind = {"127.0.0.1", 0};
        EXPECT_TRUE(server.listen(info));
    }
    Task<std::unique_ptr<env::Connection>> connect() {
        auto connection = co_await shard.network().connect(info.bind);
        EXPECT_TRUE(connection);
        co_return std::move(*connection);
    }
    static Chain heartbeat(std::int32_t correlation) {
        return *encode_request(correlation, "test", 4, HeartbeatRequest{.group_id = "g"});
    }
    // The correlation id of the next answer, or -1 when the connection has ended.
    Task<std::int32_t> next(env::Connection& connection) {
        std::uint8_t size[4];
        if (!co_await env::read_exactly(connection, size)) co_return -1;
        std::vector<std::uint8_t> body(load_be<std::uint32_t>(size));
        if (!co_await env::read_exactly(connection, body)) co_return -1;
        co_return load_be<std::int32_t>(body.data());
    }
    Task<void> stop() { co_await server.stop(shard.now() + Duration::seconds(5)); }

    Shard& shard;
    TestHandler handler;
    ConnectionCounts counts;
    ListenerInfo info;
    metrics::Registry metrics;
    Server server;
};

void in_world(std::function<Task<void>(Shard&)> test) {
    env::posix::World world({.shards = 1});
    world.run([&](Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    });
}

TEST(Session, StartsInOrderOverlapsWaitsAndAnswersInOrder) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.connect();
        Chain requests;
        for (int i = 1; i <= 4; ++i) requests.append(f.heartbeat(i));
        EXPECT_TRUE(co_await connection->write(std::move(requests)));
        while (f.handler.started.size() < 4)
            co_await env::sleep_for(shard, Duration::microseconds(100));
        EXPECT_EQ(f.handler.started, (std::vector<std::int32_t>{1, 2, 3, 4}));
        f.handler.open = true;
        f.handler.gate.notify_all();
        for (int i = 1; i <= 4; ++i) EXPECT_EQ(co_await f.next(*connection), i);
        connection.reset();
        co_await f.stop();
    });
}

TEST(Session, TakesRequestsThatTrickleInByteByByte) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.connect();
        Slice bytes = f.heartbeat(2).in_memory();
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            EXPECT_TRUE(co_await connection->write(bytes.slice(i, 1)));
        }
        EXPECT_EQ(co_await f.next(*connection), 2);
        co_await f.stop();
    });
}

TEST(Session, EndsOnWhatIsNoRequest) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard, {.max_request_bytes = 1000});
        const std::vector<std::string> inputs = {
            std::string("\xff\xff\xff\xff", 4),                         // negative
            std::string("\x7f\xff\xff\xff", 4),                         // 2 GB
            std::string("\0\0\3\xe9", 4),                               // one byte too much
            std::string("\0\0\0\2ab", 6),                               // no header fits
            std::string("\0\0\0\x0a\x03\xe7\0\0\0\0\0\1\xff\xff", 14),  // api 999
            "GET / HTTP/1.1\r\n\r\n",
        };
        for (const std::string& input : inputs) {
            auto connection = co_await f.connect();
            EXPECT_TRUE(co_await connection->write(Slice::copy(input)));
            EXPECT_EQ(co_await f.next(*connection), -1) << input;
        }
        co_await f.stop();
    });
}

TEST(Session, AnswersWhatCameBeforeTheRequestThatEndsIt) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.connect();
        Chain requests = f.heartbeat(2);
        requests.append(f.heartbeat(1000));  // stays silent
        requests.append(f.heartbeat(-2));
        requests.append(f.heartbeat(4));
        EXPECT_TRUE(co_await connection->write(std::move(requests)));
        EXPECT_EQ(co_await f.next(*connection), 2);
        EXPECT_EQ(co_await f.next(*connection), -1);
        co_await f.stop();
    });
}

TEST(Session, PeerThatLeavesCancelsWhatWaits) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.connect();
        EXPECT_TRUE(co_await connection->write(f.heartbeat(1)));
        while (f.handler.started.empty())
            co_await env::sleep_for(shard, Duration::microseconds(100));
        connection.reset();
        while (f.server.connections() > 0)
            co_await env::sleep_for(shard, Duration::microseconds(100));
        EXPECT_EQ(f.counts.total(), 0U);
        co_await f.stop();
    });
}

TEST(Session, AMutedConnectionStartsNothingAndIsAnswered) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto muted = co_await f.connect();
        auto other = co_await f.connect();
        Chain requests;
        for (int id : {1, 2000, 4}) requests.append(f.heartbeat(id));
        Time begun = shard.now();
        EXPECT_TRUE(co_await muted->write(std::move(requests)));
        while (f.handler.started.size() < 2)
            co_await env::sleep_for(shard, Duration::microseconds(100));
        f.handler.open = true;
        f.handler.gate.notify_all();
        EXPECT_EQ(co_await f.next(*muted), 1) << "what had begun is answered";
        EXPECT_EQ(co_await f.next(*muted), 2000);
        EXPECT_TRUE(co_await other->write(f.heartbeat(6)));
        EXPECT_EQ(co_await f.next(*other), 6);
        EXPECT_EQ(f.handler.started, (std::vector<std::int32_t>{1, 2000, 6}));
        EXPECT_EQ(co_await f.next(*muted), 4);
        EXPECT_GE(shard.now() - begun, f.handler.throttle);
        co_await f.stop();
    });
}

TEST(Session, AMutedConnectionEndsWithTheServer) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.handler.throttle = Duration::seconds(3600);
        auto connection = co_await f.connect();
        Chain requests = f.heartbeat(2000);
        requests.append(f.heartbeat(4));
        EXPECT_TRUE(co_await connection->write(std::move(requests)));
        EXPECT_EQ(co_await f.next(*connection), 2000);
        co_await f.stop();
        EXPECT_EQ(co_await f.next(*connection), -1);
        EXPECT_EQ(f.handler.started, (std::vector<std::int32_t>{2000}));
    });
}

TEST(Session, IdleConnectionsEnd) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard, {.max_idle = Duration::milliseconds(5)});
        auto connection = co_await f.connect();
        EXPECT_EQ(co_await f.next(*connection), -1);
        co_await f.stop();
    });
}

TEST(Server, RefusesBeyondTheLimitsOfConnections) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard, {}, {.per_ip = 1});
        auto first = co_await f.connect();
        EXPECT_TRUE(co_await first->write(f.heartbeat(2)));
        EXPECT_EQ(co_await f.next(*first), 2);
        auto second = co_await f.connect();
        EXPECT_EQ(co_await f.next(*second), -1);
        co_await f.stop();
    });
}

TEST(Server, HoldsAndClosesConnectionsThatComeTooFast) {
    in_world([](Shard& shard) -> Task<void> {
        constexpr Duration held = Duration::milliseconds(30);
        int admitted = 0;
        auto pace = [&](const ListenerInfo& listener, const std::string& host) {
            EXPECT_EQ(listener.name, "PLAINTEXT");
            EXPECT_EQ(host, "127.0.0.1");
            return ConnectionCounts::Pace{.held = admitted++ == 0 ? Duration() : held};
        };
        Fixture f(shard, {}, {}, pace);
        auto first = co_await f.connect();
        EXPECT_TRUE(co_await first->write(f.heartbeat(2)));
        EXPECT_EQ(co_await f.next(*first), 2);
        Time begun = shard.now();
        auto second = co_await f.connect();
        EXPECT_EQ(co_await f.next(*second), -1);
        EXPECT_GE(shard.now() - begun, held);
        EXPECT_EQ(f.counts.total(), 1U);
        co_await f.stop();
    });
}

// The first connection is served late, and the second is asked about again once the listener has
// rested.
TEST(Server, AListenerThatRestsAcceptsNothing) {
    in_world([](Shard& shard) -> Task<void> {
        constexpr Duration delay = Duration::milliseconds(40);
        Time rests_until;
        int asked = 0;
        auto pace = [&](const ListenerInfo&, const std::string&) -> ConnectionCounts::Pace {
            ++asked;
            if (asked == 2) return {.again = delay};
            rests_until = shard.now() + delay;
            return {.delay = delay};
        };
        Fixture f(shard, {}, {}, pace);
        auto first = co_await f.connect();
        auto second = co_await f.connect();
        EXPECT_TRUE(co_await first->write(f.heartbeat(2)));
        EXPECT_TRUE(co_await second->write(f.heartbeat(4)));
        EXPECT_EQ(co_await f.next(*first), 2);
        EXPECT_GE(shard.now(), rests_until);
        EXPECT_EQ(co_await f.next(*second), 4);
        EXPECT_GE(shard.now(), rests_until);
        EXPECT_EQ(asked, 3);
        EXPECT_EQ(f.counts.total(), 2U);
        co_await f.stop();
    });
}

TEST(Server, WhoComesAboveTheLimitWaitsUntilAnotherLeaves) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard, {}, {.total = 1});
        auto first = co_await f.connect();
        EXPECT_TRUE(co_await first->write(f.heartbeat(2)));
        EXPECT_EQ(co_await f.next(*first), 2);
        auto second = co_await f.connect();
        auto third = co_await f.connect();
        EXPECT_TRUE(co_await second->write(f.heartbeat(4)));
        EXPECT_TRUE(co_await third->write(f.heartbeat(6)));
        EXPECT_TRUE(co_await first->write(f.heartbeat(8)));
        EXPECT_EQ(co_await f.next(*first), 8);
        EXPECT_EQ(f.counts.total(), 1U);
        first.reset();
        EXPECT_EQ(co_await f.next(*second), 4);
        EXPECT_EQ(f.counts.total(), 1U);
        f.counts.limit({.total = 2});
        EXPECT_EQ(co_await f.next(*third), 6);
        EXPECT_EQ(f.handler.started, (std::vector<std::int32_t>{2, 8, 4, 6}));
        co_await f.stop();
    });
}

TEST(Server, StopsWhileSomebodyWaitsToBeLetIn) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard, {}, {.total = 1});
        auto first = co_await f.connect();
        EXPECT_TRUE(co_await first->write(f.heartbeat(2)));
        EXPECT_EQ(co_await f.next(*first), 2);
        auto second = co_await f.connect();
        co_await f.stop();
        EXPECT_EQ(co_await f.next(*second), -1);
        EXPECT_EQ(f.counts.total(), 0U);
    });
}

TEST(Server, ListenersHaveBoundsOfTheirOwn) {
    in_world([](Shard& shard) -> Task<void> {
        ConnectionCounts counts({.total = 3, .per_listener = {{"A", 1}}, .of_brokers = "BROKERS"});
        ListenerInfo a{.name = "A"};
        ListenerInfo b{.name = "B"};
        ListenerInfo own{.name = "BROKERS"};
        ListenerInfo controllers{.name = "C", .is_controller = true};
        auto is_let_in = [&](const ListenerInfo& listener) -> Task<bool> {
            auto admitted = co_await env::with_deadline(
                shard, shard.now() + Duration::milliseconds(1), counts.admit(listener, "h"));
            co_return admitted && admitted->refused.empty();
        };
        EXPECT_TRUE(co_await is_let_in(a));
        EXPECT_FALSE(co_await is_let_in(a)) << "it has one of its own";
        EXPECT_TRUE(co_await is_let_in(b));
        EXPECT_TRUE(co_await is_let_in(b));
        EXPECT_FALSE(co_await is_let_in(b)) << "there are three";
        EXPECT_TRUE(co_await is_let_in(own));
        EXPECT_TRUE(co_await is_let_in(controllers)) << "it is the first of them";
        counts.release(a, "h");
        EXPECT_FALSE(co_await is_let_in(a)) << "there are three with the brokers'";
        counts.release(own, "h");
        EXPECT_TRUE(co_await is_let_in(a));
        counts.limit({.total = 4});
        EXPECT_TRUE(co_await is_let_in(a));
    });
}

TEST(Server, StopAnswersWhatHasArrived) {
    in_world([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        auto connection = co_await f.connect();
        EXPECT_TRUE(co_await connection->write(f.heartbeat(1)));
        while (f.handler.started.empty())
            co_await env::sleep_for(shard, Duration::microseconds(100));
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn(f.stop());
            f.handler.open = true;
            f.handler.gate.notify_all();
            EXPECT_EQ(co_await f.next(*connection), 1);
            EXPECT_EQ(co_await f.next(*connection), -1);
            co_await scope.join();
        });
    });
}

TEST(HttpServer, AnswersGetAndKeepsTheConnection) {
    in_world([](Shard& shard) -> Task<void> {
        HttpServer server(shard, [](std::string_view path) -> Task<HttpResponse> {
            co_return HttpResponse{.status = path == "/metrics" ? 200 : 404,
                                   .body = std::string(path) + "\n"};
        });
        auto address = server.listen({"127.0.0.1", 0});
        EXPECT_TRUE(address);
        auto connection = *co_await shard.network().connect(*address);
        for (const char* path : {"/metrics", "/other"}) {
            EXPECT_TRUE(co_await connection->write(
                Slice::copy(std::string("GET ") + path + "?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")));
            std::string got;
            while (!got.ends_with(std::string(path) + "\n")) {
                std::uint8_t bytes[512];
                auto count = co_await connection->read(bytes);
                if (!count || *count == 0) break;
                got.append(as_string({bytes, *count}));
            }
            bool found = std::string_view(path) == "/metrics";
            EXPECT_TRUE(
                got.starts_with(found ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 404 Not Found\r\n"))
                << got;
        }
        EXPECT_TRUE(co_await connection->write(Slice::copy("nonsense\r\n\r\n")));
        std::uint8_t byte[1];
        EXPECT_EQ((co_await connection->read(byte)).value_or(0), 0U);
        co_await server.stop();
    });
}

}  // namespace
}  // namespace millrace::net
