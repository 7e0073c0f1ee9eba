#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "env/sim/fabric.h"
#include "env/sim/world.h"
#include "net/server.h"
#include "protocol/frame.h"
#include "protocol/heartbeat.h"
#include "tls/kernel_for_tests.h"
#include "tls/settings_for_tests.h"
#include "tls/stream.h"

namespace millrace::net {
namespace {

using env::Shard;
using Side = tls::Profile::Side;
using testing::HasSubstr;

// Answers at once, and notes who asked.
class NotingHandler final : public RequestHandler {
  public:
    Task<Reply> answer(Request request) override {
        principals.push_back(request.peer->principal);
        co_return Reply{.bytes = *encode_response(request.correlation_id, request.api->key,
                                                  request.version, HeartbeatResponse{})};
    }
    std::vector<std::string> principals;
};

class Fixture {
  public:
    Fixture(Shard& s, const tls::Settings& settings, SessionLimits limits = {})
        : shard(s),
          counts({}),
          metrics(s.now()),
          server(s, handler, limits, 1 << 20, counts, metrics) {
        use(settings);
        info.name = "SSL";
        info.bind = {"127.0.0.1", 0};
        info.tls = true;
        EXPECT_TRUE(server.listen(info, &profiles));
    }
    void use(const tls::Settings& settings) {
        profiles.by_listener["SSL"] = load(settings, Side::server);
    }
    std::shared_ptr<const tls::Profile> load(const tls::Settings& settings, Side side) {
        auto profile = tls::Profile::load(settings, side, shard.disk(), shard.wall_ms());
        EXPECT_TRUE(profile) << profile.error().message;
        return *std::move(profile);
    }
    Task<std::unique_ptr<env::Connection>> connect() {
        auto connection = co_await shard.network().connect(info.bind);
        EXPECT_TRUE(connection);
        co_return std::move(*connection);
    }
    // Its size is a little more than twice that of the text, which has at most 32,767 bytes.
    static Chain heartbeat(std::int32_t correlation, const std::string& text = "g") {
        auto request = encode_request(correlation, "test", 4,
                                      HeartbeatRequest{.group_id = text, .member_id = text});
        CHECK(request);
        return *std::move(request);
    }
    double count(std::string_view name) {
        std::string text = metrics.snapshot(shard.now()).text();
        std::size_t at = text.find("\nkafka_server_socket_server_metrics_" + std::string(name));
        if (at == std::string::npos) return -1;
        return std::stod(text.substr(text.find("} ", at) + 2));
    }
    Task<void> stop() { co_await server.stop(shard.now() + Duration::seconds(5)); }

    Shard& shard;
    NotingHandler handler;
    ConnectionCounts counts;
    ListenerInfo info;
    TlsProfiles profiles;
    metrics::Registry metrics;
    Server server;
};

Task<bool> fill(tls::Stream& stream, MutableBytes into) {
    while (!into.empty()) {
        env::FixedRoom room(into);
        auto count = co_await stream.read(room);
        if (count.value_or(0) == 0) co_return false;
        into = into.subspan(*count);
    }
    co_return true;
}

// The correlation id of the next answer, -1 when the connection has ended.
Task<std::int32_t> next(tls::Stream& stream) {
    std::uint8_t size[4];
    if (!co_await fill(stream, size)) co_return -1;
    std::vector<std::uint8_t> body(load_be<std::uint32_t>(size));
    if (!co_await fill(stream, body)) co_return -1;
    co_return load_be<std::int32_t>(body.data());
}

void in_simulator(std::function<Task<void>(Shard&)> test,
                  const env::sim::RecordCiphers& kernel = {}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE(seed);
        env::sim::World world(seed);
        world.fabric().record_ciphers = kernel;
        world.run(world.add_node("a"), [&](Shard& shard) -> Task<int> {
            co_await test(shard);
            co_return 0;
        });
    }
}

tls::Settings server_settings() {
    tls::Settings settings = tls::pem_settings("server.pem", "ca.pem");
    settings.client_auth = tls::ClientAuth::requested;
    settings.principal_rules = "RULE:^CN=\\\\ (\\w+).*$/$1/";
    return settings;
}

Task<void> answer_requests_of_any_size(Shard& shard) {
    Fixture f(shard, server_settings());
    auto connection = co_await f.connect();
    tls::Stream stream(shard, *connection,
                       f.load(tls::pem_settings("client.pem", "ca.pem"), Side::client),
                       "localhost");
    auto shaken = co_await stream.handshake();
    EXPECT_TRUE(shaken) << shaken.error().message;
    for (int i = 1; i <= 15; ++i) {
        std::string text((std::size_t{1} << i) - 1, 'g');
        EXPECT_TRUE(co_await stream.write(f.heartbeat(i, text)));
    }
    for (int i = 1; i <= 15; ++i) EXPECT_EQ(co_await next(stream), i);
    EXPECT_EQ(f.handler.principals, std::vector<std::string>(15, "User:client"));
    EXPECT_EQ(f.count("successful_authentication_total"), 1);
    EXPECT_EQ(f.count("failed_authentication_total"), 0);
    co_await f.stop();
    EXPECT_EQ(co_await next(stream), -1);
    EXPECT_TRUE(stream.machine().ended()) << "the end was not told";
}

TEST(SessionTls, AnswersRequestsOfAnySizeAndKnowsWhoAsks) {
    in_simulator(answer_requests_of_any_size);
}

TEST(SessionTls, AnswersThroughAKernelThatEncrypts) {
    int connections = 0;
    in_simulator(answer_requests_of_any_size, tls::test_kernel(connections));
    EXPECT_EQ(connections, 3);
}

TEST(SessionTls, ClientsWithoutACertificateAreAnonymousWhereNoneIsRequired) {
    in_simulator([](Shard& shard) -> Task<void> {
        Fixture f(shard, server_settings());
        auto connection = co_await f.connect();
        tls::Stream stream(shard, *connection,
                           f.load(tls::pem_settings("", "ca.pem"), Side::client), "localhost");
        EXPECT_TRUE(co_await stream.handshake());
        EXPECT_TRUE(co_await stream.write(f.heartbeat(2)));
        EXPECT_EQ(co_await next(stream), 2);
        EXPECT_EQ(f.handler.principals.back(), "User:ANONYMOUS");
        co_await f.stop();
    });
}

TEST(SessionTls, ConnectionsThatFailAreClosedAndCounted) {
    in_simulator([](Shard& shard) -> Task<void> {
        tls::Settings settings = server_settings();
        settings.principal_rules = "RULE:^CN=nobody$/nobody/";  // fits no client
        Fixture f(shard, settings);
        auto named = co_await f.connect();
        tls::Stream stream(shard, *named,
                           f.load(tls::pem_settings("client.pem", "ca.pem"), Side::client),
                           "localhost");
        EXPECT_TRUE(co_await stream.handshake());
        EXPECT_EQ(co_await next(stream), -1);

        auto plain = co_await f.connect();
        EXPECT_TRUE(co_await plain->write(f.heartbeat(2)));
        std::uint8_t room[100];
        Result<std::size_t> count = 1;
        while (count.value_or(0) > 0) count = co_await plain->read(room);  // an alert

        auto silent = co_await f.connect();
        silent->shutdown_write();
        EXPECT_EQ(co_await silent->read(room), 0U);

        EXPECT_EQ(f.count("failed_authentication_total"), 2);
        EXPECT_EQ(f.count("successful_authentication_total"), 0);
        EXPECT_TRUE(f.handler.principals.empty());
        co_await f.stop();
    });
}

TEST(SessionTls, HandshakesThatStallEndWithTheIdleLimit) {
    in_simulator([](Shard& shard) -> Task<void> {
        Fixture f(shard, server_settings(), {.max_idle = Duration::seconds(3)});
        auto connection = co_await f.connect();
        EXPECT_TRUE(co_await connection->write(Slice::copy(std::string_view("\x16\x03\x01", 3))));
        std::uint8_t room[100];
        EXPECT_FALSE((co_await connection->read(room)).value_or(0));
        EXPECT_EQ(f.server.connections(), 0U);
        co_await f.stop();
    });
}

TEST(SessionTls, HandshakesThatStallDoNotHoldBackAStop) {
    in_simulator([](Shard& shard) -> Task<void> {
        Fixture f(shard, server_settings());
        auto connection = co_await f.connect();
        EXPECT_TRUE(co_await connection->write(Slice::copy(std::string_view("\x16\x03\x01", 3))));
        while (f.server.connections() == 0) {
            co_await env::sleep_for(shard, Duration::milliseconds(1));
        }
        Time before = shard.now();
        co_await f.stop();
        EXPECT_LT((shard.now() - before).ms(), 1000);
    });
}

TEST(SessionTls, ConnectionsKeepWhatTheyBeganWith) {
    in_simulator([](Shard& shard) -> Task<void> {
        Fixture f(shard, server_settings());
        auto client = f.load(tls::pem_settings("", "ca.pem"), Side::client);
        auto first = co_await f.connect();
        tls::Stream before(shard, *first, client, "localhost");
        EXPECT_TRUE(co_await before.handshake());
        f.use(tls::pem_settings("renamed.pem", "ca.pem"));
        auto second = co_await f.connect();
        tls::Stream after(shard, *second, client, "localhost");
        EXPECT_TRUE(co_await after.handshake());
        EXPECT_NE(X509_cmp(before.machine().peer().get(), after.machine().peer().get()), 0);
        for (tls::Stream* stream : {&before, &after}) {
            EXPECT_TRUE(co_await stream->write(f.heartbeat(2)));
            EXPECT_EQ(co_await next(*stream), 2);
        }
        co_await f.stop();
    });
}

}  // namespace
}  // namespace millrace::net
