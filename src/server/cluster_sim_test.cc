// Clusters of several nodes in the simulator: brokers that join, controllers that are elected,
// killed, cut off and left behind.

#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "client/admin_topics.h"
#include "env/disk.h"
#include "env/sim/fabric.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_cluster_for_tests.h"
#include "tls/settings_for_tests.h"

namespace millrace::server {
namespace {

AdminBody creation_of(std::string name, std::int32_t partitions, std::int16_t replicas) {
    return [=](client::Admin& admin) -> Task<void> {
        client::NewTopic topic;
        topic.name = name;
        topic.partitions = partitions;
        topic.replication_factor = replicas;
        auto created = co_await client::create_topics(admin, {topic});
        const auto& outcome = created.at(name);
        EXPECT_TRUE(outcome || outcome.error().code == ErrorCode::topic_already_exists)
            << outcome.error().message;
    };
}

class ClusterTest : public testing::Test {
  protected:
    env::sim::World world{1};
    SimulatedLog log{world};
};

TEST_F(ClusterTest, ABrokerJoinsANodeOfBothRoles) {
    SimulatedCluster cluster(world, {.nodes = {{1, Roles::both}, {2, Roles::broker}}});
    ASSERT_TRUE(cluster.start_and_wait());
    EXPECT_EQ(cluster.leader(), 1);
    ASSERT_TRUE(cluster.wait_for([&] { return cluster.settled(); }));
    for (std::int32_t id : {1, 2}) {
        EXPECT_NE(cluster.image(id)->active_broker(1), nullptr);
        EXPECT_NE(cluster.image(id)->active_broker(2), nullptr);
    }
    cluster.administer(creation_of("t", 3, 2));
    ASSERT_TRUE(cluster.wait_for([&] { return cluster.settled(); }));
    const metadata::Topic* topic = cluster.image(2)->topics.find(std::string_view("t"));
    ASSERT_NE(topic, nullptr);
    EXPECT_EQ(topic->partition(0)->replicas.size(), 2U);
}

ClusterShape separate_roles(bool dynamic) {
    return {.nodes = {{1, Roles::controller},
                      {2, Roles::controller},
                      {3, Roles::controller},
                      {11, Roles::broker},
                      {12, Roles::broker}},
            .dynamic = dynamic};
}

// What goes from a broker to the controllers: requests of clients and its own.
void work_on(SimulatedCluster& cluster, env::sim::World& world) {
    cluster.administer(creation_of("t", 2, 1));
    cluster.administer(creation_of("to-be-deleted", 1, 2));
    cluster.administer([](client::Admin& admin) -> Task<void> {
        auto deleted =
            co_await client::delete_topics(admin, std::vector<std::string>{"to-be-deleted"});
        EXPECT_TRUE(deleted.at("to-be-deleted"));
        auto described = co_await client::describe_metadata_quorum(admin);
        EXPECT_TRUE(described) << described.error().message;
        if (!described) co_return;
        EXPECT_EQ(described->voters.size(), 3U);
    });
    // An idempotent producer's id comes from a block that the controller gives out.
    env::sim::Node& machine = world.add_node("producer");
    run_on(world, machine, [](env::Shard& shard) -> Task<void> {
        auto body = [](client::Producer& producer) -> Task<void> {
            auto delivery = co_await producer.send({.topic = "t", .value = as_bytes("value")});
            EXPECT_TRUE(delivery);
            if (!delivery) co_return;
            auto placed = co_await delivery->get();
            EXPECT_TRUE(placed) << (placed ? "" : placed.error().message);
        };
        co_await with_producer(shard, "bootstrap.servers=node11:9092\n", body);
    });
}

TEST_F(ClusterTest, RolesRunInProcessesOfTheirOwn) {
    for (bool dynamic : {false, true}) {
        env::sim::World own(dynamic ? 2 : 3);
        SimulatedLog lines(own);
        SimulatedCluster cluster(own, separate_roles(dynamic));
        ASSERT_TRUE(cluster.start_and_wait());
        work_on(cluster, own);
        // A broker that is stopped is let go by a controller elsewhere.
        Time began = own.now();
        cluster.node(11).ask_to_stop();
        ASSERT_TRUE(cluster.wait_for([&] { return !cluster.node(11).running(); }));
        EXPECT_LT((own.now() - began).ms(), 5000);
        EXPECT_EQ(cluster.image(*cluster.leader())->active_broker(11), nullptr);
        // So is the leader, for whom another one takes over.
        std::int32_t first = *cluster.leader();
        cluster.node(first).ask_to_stop();
        ASSERT_TRUE(cluster.wait_for([&] { return cluster.leader() && cluster.leader() != first; },
                                     Duration::seconds(20)));
        ASSERT_TRUE(cluster.start_and_wait());
        ASSERT_TRUE(cluster.wait_for([&] { return cluster.settled(); }));
        for (std::int32_t id : cluster.node_ids()) {
            EXPECT_TRUE(cluster.image(id)->same_content(*cluster.image(1))) << id;
            EXPECT_EQ(cluster.image(id)->controllers.size(), 3U);
        }
    }
}

TEST_F(ClusterTest, ControllersAreReachedOverTls) {
    ClusterShape shape = separate_roles(true);
    shape.lines =
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:SSL\n"
        "listener.name.controller.ssl.keystore.type=PEM\n"
        "listener.name.controller.ssl.keystore.location=/keys/broker\n"
        "listener.name.controller.ssl.truststore.type=PEM\n"
        "listener.name.controller.ssl.truststore.location=/keys/ca\n"
        "listener.name.controller.ssl.client.auth=required\n"
        "listener.name.controller.ssl.endpoint.identification.algorithm=\n";
    SimulatedCluster cluster(world, shape);
    for (std::int32_t id : cluster.node_ids()) {
        run_on(world, cluster.node(id).machine(), [](env::Shard& shard) -> Task<void> {
            EXPECT_TRUE(shard.disk().make_directories("/keys"));
            for (auto [path, file] :
                 {std::pair{"/keys/broker", "server.pem"}, {"/keys/ca", "ca.pem"}})
                EXPECT_TRUE(env::replace_file(shard.disk(), path, tls::test_file(file)));
            co_return;
        });
    }
    ASSERT_TRUE(cluster.start_and_wait());
    work_on(cluster, world);
}

TEST_F(ClusterTest, WhatThisVersionCannotDoIsRefusedAtTheStart) {
    env::sim::Node& machine = world.add_node("alone");
    auto refusal = [&](std::string_view lines) {
        auto file = config::Properties::parse(
            "node.id=1\nlog.dirs=/data\ncontroller.listener.names=CONTROLLER\n"
            "controller.quorum.bootstrap.servers=elsewhere:9093\n" +
            std::string(lines));
        auto config = config::BrokerConfig::parse(*file);
        EXPECT_TRUE(config) << config.error().message;
        std::string reason;
        run_on(world, machine, [&](env::Shard& shard) -> Task<void> {
            auto process = co_await Process::start(shard, *config);
            EXPECT_FALSE(process);
            if (!process) reason = process.error().message;
        });
        return reason;
    };
    std::string sasl = refusal(
        "process.roles=broker\nlisteners=PLAINTEXT://:9092\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT\n");
    EXPECT_NE(sasl.find("has no SASL"), std::string::npos) << sasl;
}

TEST_F(ClusterTest, ABrokerWaitsForControllers) {
    SimulatedCluster cluster(world, {.nodes = {{1, Roles::both}, {2, Roles::broker}}});
    cluster.node(2).start();
    world.run_for(Duration::seconds(20));
    EXPECT_FALSE(cluster.node(2).ready());
    cluster.node(2).kill();
    ASSERT_TRUE(cluster.start_and_wait());
}

}  // namespace
}  // namespace millrace::server
