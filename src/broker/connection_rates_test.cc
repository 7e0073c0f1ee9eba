#include "broker/connection_rates.h"

#include <gtest/gtest.h>

#include "broker/world_for_tests.h"
#include "config/properties.h"
#include "core/metadata/sorted_map_editor.h"

namespace millrace::broker {
namespace {

config::BrokerConfig config_for_tests(std::string_view more = {}) {
    std::string text =
        "process.roles=broker\nnode.id=1\ncontroller.quorum.voters=2@localhost:9093\n"
        "controller.listener.names=CONTROLLER\n"
        "listeners=PLAINTEXT://:9092,OTHER://:9095,BROKERS://:9096\n"
        "inter.broker.listener.name=BROKERS\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT,BROKERS:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT\n";
    auto file = config::Properties::parse(text + std::string(more));
    CHECK(file.has_value());
    auto parsed = config::BrokerConfig::parse(*file);
    if (!parsed) ADD_FAILURE() << parsed.error().message;
    CHECK(parsed.has_value());
    return *parsed;
}

metadata::ImagePtr with_quotas(std::vector<std::pair<std::string, double>> hosts) {
    metadata::SortedMapEditor editor{quotas::Table()};
    for (const auto& [host, rate] : hosts) {
        metadata::QuotaEntity entity{{"ip", host}};
        auto values = metadata::Quotas{{"connection_creation_rate", rate}};
        editor.set(std::move(entity), std::make_shared<metadata::Quotas>(std::move(values)));
    }
    auto image = std::make_shared<metadata::Image>();
    image->quotas = std::move(editor).finish();
    return image;
}

struct Fixture {
    explicit Fixture(env::Shard& s, std::string_view lines = {})
        : shard(s), config(config_for_tests(lines)), metrics(s.now()) {}

    // How many of so many connections are served at once.
    int served(const net::ListenerInfo& listener, int count, const std::string& host = "10.0.0.1") {
        int at_once = 0;
        for (int i = 0; i < count; ++i) {
            ConnectionRates::Pace pace = rates.admit(listener, host, shard.now());
            if (pace.again + pace.delay + pace.held == Duration()) ++at_once;
        }
        return at_once;
    }
    std::string text() { return metrics.snapshot(shard.now()).text(); }

    env::Shard& shard;
    config::BrokerConfig config;
    metrics::Registry metrics;
    MetadataCache metadata;
    static Result<std::vector<std::string>> resolve(const std::string& host) {
        if (host == "somewhere") return std::vector<std::string>{"10.0.0.7", "10.0.0.8"};
        return fail(ErrorCode::network_exception, host + ": Name or service not known");
    }
    ConnectionRates rates{shard, metadata, config, metrics, resolve};
    net::ListenerInfo plaintext{.name = "PLAINTEXT"};
    net::ListenerInfo other{.name = "OTHER"};
    net::ListenerInfo brokers{.name = "BROKERS"};
};

TEST(ConnectionRates, WithoutBoundsEveryConnectionIsServed) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_EQ(f.served(f.plaintext, 1000), 1000);
        EXPECT_NE(f.text().find("kafka_server_socket_server_metrics_broker_connection_accept_rate "
                                "100"),
                  std::string::npos)
            << f.text();
        co_return;
    });
}

TEST(ConnectionRates, AListenerRestsUntilTheNodeIsAtItsBound) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard, "max.connection.creation.rate=10\n");
        // Ten seconds' worth may come at once.
        EXPECT_EQ(f.served(f.plaintext, 100), 100);
        ConnectionRates::Pace late = f.rates.admit(f.plaintext, "h", shard.now());
        EXPECT_GT(late.delay, Duration());
        EXPECT_LE(late.delay, Duration::seconds(1));
        EXPECT_EQ(f.rates.admit(f.plaintext, "h", shard.now()).again, late.delay);
        EXPECT_GT(f.rates.admit(f.other, "h", shard.now()).delay, Duration())
            << "it is the node's bound, and this one had not rested";
        EXPECT_EQ(f.served(f.brokers, 100), 100) << "its own bound, and not the node's";
        co_await env::sleep_for(shard, Duration::seconds(12));
        EXPECT_EQ(f.served(f.plaintext, 50), 50);
        EXPECT_NE(f.text().find("connection_accept_throttle_time{listener=\"PLAINTEXT\"}"),
                  std::string::npos)
            << f.text();
    });
}

TEST(ConnectionRates, AListenersBoundIsItsOwnAndChanges) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard, "listener.name.other.max.connection.creation.rate=2\n");
        EXPECT_EQ(f.served(f.other, 21), 20);
        EXPECT_EQ(f.served(f.plaintext, 100), 100);
        std::vector<std::string> rejected;
        f.config = f.config.with_dynamic(
            {{"listener.name.other.max.connection.creation.rate", "100"}}, {}, rejected);
        EXPECT_TRUE(rejected.empty());
        co_await env::sleep_for(shard, Duration::seconds(1));
        EXPECT_EQ(f.served(f.other, 100), 100);
    });
}

TEST(ConnectionRates, AnAddressWithTooManyIsHeldAndDoesNotCount) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.metadata.publish(with_quotas({{"10.0.0.1", 1}}));
        EXPECT_EQ(f.served(f.plaintext, 1000), 10);
        EXPECT_EQ(f.served(f.plaintext, 100, "10.0.0.2"), 100);
        std::string text = f.text();
        for (const char* sample : {"connection_accept_rate{listener=\"PLAINTEXT\"} 11",
                                   "connection_accept_rate{ip=\"10.0.0.1\"} 1",
                                   "ip_connection_accept_throttle_time{listener=\"PLAINTEXT\"}"})
            EXPECT_NE(text.find(sample), std::string::npos) << sample << "\n" << text;
        co_return;
    });
}

TEST(ConnectionRates, AHostsNameIsItsAddressWhenQuotasChange) {
    in_world([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.rates.start();
        std::string address = "10.0.0.7";
        f.metadata.publish(with_quotas({{"somewhere", 1}, {"nowhere", 1}}));
        co_await env::sleep_for(shard, Duration::seconds(1));
        EXPECT_EQ(f.served(f.plaintext, 100, address), 10);
        EXPECT_EQ(f.served(f.plaintext, 100, "10.9.9.9"), 100);
        f.metadata.publish(with_quotas({}));
        co_await env::sleep_for(shard, Duration::seconds(1));
        EXPECT_EQ(f.served(f.plaintext, 100, address), 100);
        co_await f.rates.stop();
    });
}

}  // namespace
}  // namespace millrace::broker
