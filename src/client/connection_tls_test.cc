#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/broker_for_tests.h"
#include "client/connection_pool.h"
#include "tls/settings_for_tests.h"
#include "tls/stream.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::HasSubstr;
using Side = tls::Profile::Side;
using Opened = Result<std::shared_ptr<BrokerConnection>>;

// A server that does no more than `talk`, with one connection.
class Server {
  public:
    using Talk = std::function<Task<void>(env::Connection&)>;
    Server(Shard& shard, Talk talk) : talk_(std::move(talk)), scope(shard), shard_(shard) {
        listener_ = *shard.network().listen({"127.0.0.1", 0});
        scope.spawn(serve());
    }
    Task<Opened> open(ConnectionOptions options) {
        return BrokerConnection::open(shard_, scope, "broker 1",
                                      {"localhost", listener_->local().port}, std::move(options));
    }

  private:
    Task<void> serve() {
        auto accepted = co_await listener_->accept();
        CO_ASSERT(accepted);
        co_await talk_(**accepted);
    }
    Talk talk_;

  public:
    Scope scope;

  private:
    Shard& shard_;
    std::unique_ptr<env::Listener> listener_;
};

std::shared_ptr<const tls::Profile> load(Shard& shard, const tls::Settings& settings, Side side) {
    auto profile = tls::Profile::load(settings, side, shard.disk(), shard.wall_ms());
    CHECK(profile);
    return *std::move(profile);
}

// What becomes of a client with `theirs` at a server with `ours`.
void expect_refusal(tls::Settings ours, tls::Settings theirs, std::string_view reason) {
    in_sim(1, [&](Shard& shard) -> Task<void> {
        Server server(shard, [&](env::Connection& connection) -> Task<void> {
            tls::Stream stream(shard, connection, load(shard, ours, Side::server));
            (void)co_await stream.handshake();
        });
        Opened opened = co_await server.open({.tls = load(shard, theirs, Side::client)});
        CO_ASSERT(!opened);
        EXPECT_EQ(opened.error().code, ErrorCode::sasl_authentication_failed);
        EXPECT_THAT(opened.error().message, HasSubstr("broker 1 at localhost:"));
        EXPECT_THAT(opened.error().message, HasSubstr(reason));
        co_await server.scope.close();
    });
}

TEST(ConnectionTls, SaysWhyItDoesNotTrustABroker) {
    expect_refusal(tls::pem_settings("server.pem", ""), tls::pem_settings("", "other_ca.pem"),
                   "certificate is not accepted");
}

// TLS 1.3 tells it behind the handshake, in place of the first answer.
TEST(ConnectionTls, SaysWhyABrokerDoesNotTrustIt) {
    tls::Settings ours = tls::pem_settings("server.pem", "ca.pem");
    ours.client_auth = tls::ClientAuth::required;
    expect_refusal(ours, tls::pem_settings("", "ca.pem"), "certificate required");
    ours.tls_1_3 = false;
    expect_refusal(ours, tls::pem_settings("", "ca.pem"), "alert");
}

TEST(ConnectionTls, AsksWhetherAListenerThatClosesIsForTls) {
    in_sim(1, [](Shard& shard) -> Task<void> {
        Server server(shard, [](env::Connection& connection) -> Task<void> {
            std::uint8_t room[10];
            (void)co_await connection.read(room);
        });
        Opened opened = co_await server.open(
            {.tls = load(shard, tls::pem_settings("", "ca.pem"), Side::client)});
        CO_ASSERT(!opened);
        EXPECT_EQ(opened.error().code, ErrorCode::network_exception);
        EXPECT_THAT(opened.error().message, HasSubstr("is it a listener of brokers for SSL?"));
        co_await server.scope.close();
    });
}

TEST(ConnectionTls, KeysThatCannotBeReadAreNoMatterOfTryingAgain) {
    in_sim(1, [](Shard& shard) -> Task<void> {
        Scope scope(shard);
        PoolOptions options;
        options.tls.emplace();
        options.tls->trusted.type = tls::StoreType::pem;
        options.tls->trusted.location = "/missing";
        ConnectionPool pool(shard, scope, options);
        Opened opened = co_await pool.get(1, {"localhost", 9092}, Lane::general);
        CO_ASSERT(!opened);
        EXPECT_EQ(opened.error().code, ErrorCode::invalid_config);
        EXPECT_THAT(opened.error().message, HasSubstr("ssl.truststore.location=/missing"));
        co_await scope.close();
    });
}

}  // namespace
}  // namespace millrace::client
