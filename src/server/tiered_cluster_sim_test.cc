// A topic of three replicas whose older segments are in a store (KIP-405): followers drop what is
// copied, one that was away goes on behind it, and whoever leads serves the whole log.

#include <gtest/gtest.h>

#include "server/ledger_for_tests.h"
#include "server/simulated_cluster_for_tests.h"
#include "server/tiered_world_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::string_view lines =
    "default.replication.factor=3\n"
    "min.insync.replicas=1\n"
    "broker.session.timeout.ms=3000\n"
    "broker.heartbeat.interval.ms=500\n"
    "replica.lag.time.max.ms=4000\n"
    "rlmm.config.remote.log.metadata.topic.replication.factor=3\n";

class TieredCluster : public testing::Test {
  protected:
    TieredCluster() {
        for (std::int32_t id : cluster.node_ids()) {
            cluster.node(id).keep_segments_in(
                [this, id](const config::BrokerConfig&) { return nas.mount(id); });
        }
    }
    ~TieredCluster() override {
        for (const auto& each : world.nodes()) world.crash(*each);
    }
    static ClusterShape shape() {
        return {.nodes = {{1, Roles::controller},
                          {11, Roles::broker},
                          {12, Roles::broker},
                          {13, Roles::broker}},
                .lines = std::string(tiered_configs) + std::string(lines)};
    }
    void create() {
        cluster.administer([](client::Admin& admin) -> Task<void> {
            client::NewTopic topic;
            topic.name = "t";
            topic.partitions = 1;
            for (const auto& [key, value] : small_and_tiered) topic.configs[key] = value;
            auto created = co_await client::create_topics(admin, {topic});
            EXPECT_TRUE(created.at("t"));
        });
    }
    std::size_t in_sync() { return cluster.image(1)->topics.find("t", 0)->isr.size(); }
    std::int32_t leader() { return cluster.image(1)->topics.find("t", 0)->leader; }
    // The base offsets of what a broker has of the log.
    std::vector<std::int64_t> segments(std::int32_t id) {
        std::vector<std::int64_t> bases;
        auto entries = cluster.node(id).machine().shard(0).disk().list("/data/t-0");
        if (!entries) return bases;
        for (const auto& each : *entries) {
            if (each.name.ends_with(".log")) bases.push_back(std::stoll(each.name));
        }
        return bases;
    }
    bool has_only_the_last(std::int32_t id) {
        std::vector<std::int64_t> found = segments(id);
        return found.size() == 1 && found.front() > 0;
    }
    void produce(int count) {
        run_on(world, client,
               [&](env::Shard& shard) { return ledger.produce(shard, 0, count, patient); });
    }
    void check() {
        run_on(world, client, [&](env::Shard& shard) { return ledger.check(shard); });
    }

    env::sim::World world{1};
    SimulatedLog log{world};
    Nas nas{world};
    SimulatedCluster cluster{world, shape()};
    env::sim::Node& client = world.add_node("client");
    Ledger ledger{"t", 1, "bootstrap.servers=node11:9092,node12:9092,node13:9092\n"};
};

TEST_F(TieredCluster, ReplicasShareWhatIsInTheStore) {
    ASSERT_TRUE(cluster.start_and_wait());
    create();
    ASSERT_TRUE(cluster.wait_for([&] { return in_sync() == 3; }));
    produce(200);
    EXPECT_TRUE(cluster.wait_for([&] {
        return has_only_the_last(11) && has_only_the_last(12) && has_only_the_last(13);
    })) << "followers keep what is copied";

    // One that was away finds the leader's log beginning behind the end of its own.
    std::int32_t away = leader() == 13 ? 12 : 13;
    std::int64_t before = segments(away).back();
    cluster.node(away).kill();
    produce(300);
    ASSERT_TRUE(cluster.wait_for(
        [&] { return has_only_the_last(leader()) && segments(leader()).front() > before + 100; }));
    cluster.start_all();
    ASSERT_TRUE(cluster.wait_for([&] { return cluster.all_ready() && in_sync() == 3; }));
    EXPECT_GT(segments(away).front(), before + 100);

    // Alone it serves all of it, and takes more.
    for (std::int32_t id : cluster.brokers()) {
        if (id != away) cluster.node(id).kill();
    }
    ASSERT_TRUE(cluster.wait_for([&] { return leader() == away; }));
    check();
    produce(100);
    check();

    // The store goes with the topic.
    cluster.start_all();
    ASSERT_TRUE(cluster.wait_for([&] { return cluster.all_ready() && in_sync() == 3; }));
    EXPECT_FALSE(nas.stored().empty());
    cluster.administer([](client::Admin& admin) -> Task<void> {
        auto removed = co_await client::delete_topics(admin, std::vector<std::string>{"t"});
        EXPECT_TRUE(removed.at("t"));
    });
    EXPECT_TRUE(cluster.wait_for([&] { return nas.stored().empty(); }));
}

}  // namespace
}  // namespace millrace::server
