// Clusters of several nodes in the simulator: brokers that join, controllers that are elected,
// killed, cut off and left behind.

#include <gtest/gtest.h>

#include "client/admin_topics.h"
#include "env/sim/fabric.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_cluster_for_tests.h"

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

}  // namespace
}  // namespace millrace::server
