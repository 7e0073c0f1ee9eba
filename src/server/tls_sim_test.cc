// A node with a listener for TLS: clients with certificates through kills of the node, certificates
// that take each other's place while it runs, and what keeps it from starting.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "client/admin_configs.h"
#include "env/disk.h"
#include "server/clients_for_tests.h"
#include "server/simulated_node_for_tests.h"
#include "tls/settings_for_tests.h"
#include "tls/stream.h"

namespace millrace::server {
namespace {

using testing::HasSubstr;

constexpr std::string_view with_tls =
    "listeners=PLAINTEXT://:9092,SSL://:9094,CONTROLLER://:9093\n"
    "advertised.listeners=PLAINTEXT://broker:9092,SSL://broker:9094,CONTROLLER://broker:9093\n"
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT\n"
    "listener.name.ssl.ssl.keystore.type=PEM\n"
    "listener.name.ssl.ssl.keystore.location=/keys/broker\n"
    "listener.name.ssl.ssl.truststore.type=PEM\n"
    "listener.name.ssl.ssl.truststore.location=/keys/ca\n"
    "listener.name.ssl.ssl.client.auth=required\n";
constexpr std::string_view client_keys =
    "bootstrap.servers=broker:9094\n"
    "security.protocol=SSL\n"
    "ssl.keystore.type=PEM\n"
    "ssl.keystore.location=/keys/client\n"
    "ssl.truststore.type=PEM\n"
    "ssl.truststore.location=/keys/ca\n";

void put(env::Disk& disk, std::string_view path, const std::string& file) {
    EXPECT_TRUE(disk.make_directories("/keys"));
    EXPECT_TRUE(env::replace_file(disk, path, tls::test_file(file)));
}

class Trial {
  public:
    explicit Trial(std::uint64_t seed, std::string_view more = {})
        : world(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log(world),
          node(world, static_cast<int>(1 + seed % 3), std::string(with_tls).append(more)),
          clients(world.add_node("clients")) {
        run_on(world, node.machine(), [](env::Shard& shard) -> Task<void> {
            put(shard.disk(), "/keys/broker", "server.pem");
            put(shard.disk(), "/keys/ca", "ca.pem");
            co_return;
        });
        run_on(world, clients, [](env::Shard& shard) -> Task<void> {
            put(shard.disk(), "/keys/client", "client.pem");
            put(shard.disk(), "/keys/ca", "ca.pem");
            co_return;
        });
    }
    void on_clients(const std::function<Task<void>(env::Shard&)>& body) {
        run_on(world, clients, body);
    }
    // Writes a file of the node's while it runs.
    void write(std::string_view path, const std::string& file) { put(node.disk(), path, file); }

    env::sim::World world;
    SimulatedLog log;
    SimulatedNode node;
    env::sim::Node& clients;
};

Task<void> produce(env::Shard& shard, int first, int count) {
    return with_producer(shard, client_keys, [=](client::Producer& producer) -> Task<void> {
        std::vector<client::Delivery> deliveries;
        for (int i = first; i < first + count; ++i) {
            std::string value = fmt::format("v{}{}", i, std::string(10 * (i % 500), '.'));
            auto delivery = co_await producer.send({.topic = "t", .value = as_bytes(value)});
            EXPECT_TRUE(delivery) << (delivery ? "" : delivery.error().message);
            if (!delivery) co_return;
            deliveries.push_back(*delivery);
        }
        for (const auto& delivery : deliveries) {
            auto placed = co_await delivery.get();
            EXPECT_TRUE(placed) << (placed ? "" : placed.error().message);
            if (!placed) co_return;
        }
    });
}

Task<void> consume(env::Shard& shard, std::size_t count, std::multiset<std::string>& values) {
    std::string lines = std::string(client_keys) + "group.id=g\nauto.offset.reset=earliest\n";
    co_await with_consumer(shard, lines, [&](client::Consumer& consumer) -> Task<void> {
        EXPECT_TRUE(consumer.subscribe({"t"}));
        Time most = shard.now() + Duration::seconds(120);
        while (values.size() < count && shard.now() < most) {
            auto records = co_await consumer.poll(Duration::seconds(1));
            EXPECT_TRUE(records) << (records ? "" : records.error().message);
            if (!records) co_return;
            for (const auto& batch : records->batches) {
                for (const auto& record : batch.records) values.emplace(as_string(*record.value));
            }
        }
    });
}

TEST(TlsNode, ClientsWriteAndReadWhatSurvivesAKill) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Trial trial(seed);
        trial.node.start_and_wait();
        trial.on_clients([](env::Shard& shard) { return create_topic(shard, "t", 4, true); });
        trial.on_clients([](env::Shard& shard) { return produce(shard, 0, 200); });
        trial.node.kill();
        trial.node.start_and_wait();
        trial.on_clients([](env::Shard& shard) { return produce(shard, 200, 200); });
        std::multiset<std::string> values;
        trial.on_clients([&](env::Shard& shard) { return consume(shard, 400, values); });
        EXPECT_EQ(values.size(), 400U);
        EXPECT_EQ(std::set<std::string>(values.begin(), values.end()).size(), 400U);
        if (testing::Test::HasFailure()) return;
    }
}

// The serial number that a new connection is shown, in hex.
Task<std::string> shown(env::Shard& shard) {
    auto connection = co_await shard.network().connect({"broker", 9094});
    EXPECT_TRUE(connection);
    if (!connection) co_return "";
    auto profile = tls::Profile::load(tls::pem_settings("client.pem", "ca.pem"),
                                      tls::Profile::Side::client, shard.disk(), shard.wall_ms());
    EXPECT_TRUE(profile);
    tls::Stream stream(shard, **connection, *profile, "broker");
    Result<> done = co_await stream.handshake();
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
    if (!done) co_return "";
    const ASN1_INTEGER* serial = X509_get0_serialNumber(stream.machine().peer().get());
    std::string text;
    for (int i = 0; i < serial->length; ++i) text += fmt::format("{:02x}", serial->data[i]);
    co_return text;
}

// What altering these configs of the node says; empty when they were taken.
Task<std::string> alter(env::Shard& shard, std::string key, std::string value) {
    std::string said;
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        client::ConfigResource broker{client::ResourceType::broker, "1"};
        std::vector<client::ConfigChange> changes(1);
        changes[0].name = "listener.name.ssl." + key;
        changes[0].value = value;
        auto altered = co_await client::alter_configs(admin, {{broker, changes}});
        if (!altered.at(broker)) said = altered.at(broker).error().message;
    });
    co_return said;
}

TEST(TlsNode, NewCertificatesAreTakenWhileItRuns) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Trial trial(seed);
        trial.node.start_and_wait();
        trial.on_clients([&](env::Shard& shard) -> Task<void> {
            constexpr auto location = "ssl.keystore.location";
            std::string first = co_await shown(shard);
            // The file is another one.
            trial.write("/keys/broker", "renewed.pem");
            co_await env::sleep_for(shard, Duration::seconds(3));
            std::string second = co_await shown(shard);
            EXPECT_NE(second, first);
            // It cannot be used: what was there stays, and is asked to by configs in vain.
            trial.write("/keys/broker", "expired.pem");
            co_await env::sleep_for(shard, Duration::seconds(3));
            EXPECT_EQ(co_await shown(shard), second);
            EXPECT_THAT(co_await alter(shard, location, "/keys/broker"), HasSubstr("expired on"));
            EXPECT_THAT(co_await alter(shard, location, "/keys/none"),
                        HasSubstr("listener SSL: ssl.keystore.location=/keys/none: it cannot be"));
            trial.write("/keys/renamed", "renamed.pem");
            EXPECT_THAT(co_await alter(shard, location, "/keys/renamed"),
                        HasSubstr("ssl.allow.dn.changes"));
            EXPECT_EQ(co_await shown(shard), second);
            // Another file is named.
            trial.write("/keys/other", "server.pem");
            EXPECT_EQ(co_await alter(shard, location, "/keys/other"), "");
            co_await env::sleep_for(shard, Duration::seconds(3));
            EXPECT_EQ(co_await shown(shard), first);
        });
        // And is found again by the next start.
        trial.node.kill();
        trial.node.start_and_wait();
        EXPECT_TRUE(trial.node.ready());
        if (testing::Test::HasFailure()) return;
    }
}

TEST(TlsNode, WhatCannotBeUsedStopsTheStart) {
    auto reason = [](const std::string& identity, std::string_view more) {
        Trial trial(1, more);
        run_on(trial.world, trial.node.machine(), [&](env::Shard& shard) -> Task<void> {
            put(shard.disk(), "/keys/broker", identity);
            put(shard.disk(), "/keys/other_ca", "other_ca.pem");
            co_return;
        });
        trial.node.start();
        trial.node.doom();
        EXPECT_TRUE(trial.world.run_until([&] { return !trial.node.running(); }));
        return trial.node.reason();
    };
    EXPECT_THAT(reason("expired.pem", ""),
                HasSubstr("listener SSL: ssl.keystore.location=/keys/broker: the certificate of "
                          "CN=broker,O=Millrace expired on"));
    EXPECT_THAT(reason("encrypted.pem", "ssl.key.password=wrong\n"),
                HasSubstr("/keys/broker: its private key cannot be opened: ssl.key.password"));
    EXPECT_THAT(reason("server.jks",
                       "listener.name.ssl.ssl.keystore.type=JKS\n"
                       "ssl.keystore.password=wrong\n"),
                HasSubstr("/keys/broker: its password is wrong"));
    // Brokers among themselves need a keystore that their truststore takes.
    EXPECT_THAT(reason("server.pem",
                       "inter.broker.listener.name=SSL\n"
                       "listener.name.ssl.ssl.truststore.location=/keys/other_ca\n"),
                HasSubstr("brokers could not connect to each other"));
}

}  // namespace
}  // namespace millrace::server
