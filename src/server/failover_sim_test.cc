// How long a producer waits for its next acknowledged record once its leader has gone, at the
// defaults of every timeout.

#include <algorithm>
#include <gtest/gtest.h>

#include "client/admin_topics.h"
#include "env/sim/fabric.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

ClusterShape shape_of(bool combined, std::string_view more = {}) {
    ClusterShape shape;
    if (combined) {
        shape.nodes = {{1, Roles::both}, {2, Roles::both}, {3, Roles::both}};
    } else {
        shape.nodes = {{7, Roles::controller}, {8, Roles::controller}, {9, Roles::controller},
                       {1, Roles::broker},     {2, Roles::broker},     {3, Roles::broker}};
    }
    shape.lines = "default.replication.factor=3\nmin.insync.replicas=2\n";
    shape.lines += more;
    return shape;
}

// A producer with acks=all that sends a record every few milliseconds to a topic of one partition.
class Trial {
  public:
    Trial(std::uint64_t seed, const ClusterShape& shape)
        : world_(seed),
          log_(world_),
          cluster_(world_, shape),
          machine_(world_.add_node("producer")) {}
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    bool begin() {
        if (!cluster_.start_and_wait()) return false;
        // The active controller leads, where it is a broker.
        std::vector<std::int32_t> replicas = cluster_.brokers();
        std::ranges::partition(replicas, [&](std::int32_t id) { return id == cluster_.leader(); });
        cluster_.administer([replicas](client::Admin& admin) -> Task<void> {
            client::NewTopic topic;
            topic.name = "t";
            topic.assignment[0] = replicas;
            auto created = co_await client::create_topics(admin, {topic});
            EXPECT_TRUE(created.at("t"));
        });
        machine_.start([this](env::Shard& shard) -> Task<int> {
            auto body = [&](client::Producer& producer) { return send(shard, producer); };
            co_await with_producer(
                shard, "bootstrap.servers=node1:9092,node2:9092,node3:9092\nlinger.ms=0\n", body);
            co_return 0;
        });
        if (!cluster_.wait_for([this] { return acknowledged_ > 100; })) return false;
        // Heartbeats are at any place between two of them when something happens.
        world_.run_for(Duration::milliseconds(world_.random().between(0, 2500)));
        return true;
    }
    SimulatedCluster& cluster() { return cluster_; }
    env::sim::World& world() { return world_; }
    std::int32_t leader() {
        std::int32_t controller = *cluster_.leader();
        return cluster_.image(controller)->topics.find("t", 0)->leader;
    }
    // The longest time between two acknowledgements from now on, until many have come again.
    Duration wait_for_next() {
        longest_ = Duration();
        // More than may be on their way already.
        std::int64_t wanted = acknowledged_ + 20;
        EXPECT_TRUE(cluster_.wait_for([&] { return acknowledged_ >= wanted; }));
        return longest_;
    }

  private:
    Task<void> send(env::Shard& shard, client::Producer& producer) {
        for (;;) {
            auto sent = co_await producer.send({.topic = "t", .value = as_bytes("value")});
            EXPECT_TRUE(sent) << (sent ? "" : sent.error().message);
            if (!sent) co_return;
            auto placed = co_await sent->get();
            EXPECT_TRUE(placed) << (placed ? "" : placed.error().message);
            if (!placed) co_return;
            ++acknowledged_;
            longest_ = std::max(longest_, shard.now() - last_);
            last_ = shard.now();
            co_await env::sleep_for(shard, Duration::milliseconds(5));
        }
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedCluster cluster_;
    env::sim::Node& machine_;
    std::int64_t acknowledged_ = 0;
    Time last_;
    Duration longest_;  // between two of them
};

TEST(FailOver, ALeaderThatIsKilledIsReplacedAtOnce) {
    for (bool combined : {false, true}) {
        Duration longest;
        for_seeds(10, [&](std::uint64_t seed) {
            Trial trial(seed, shape_of(combined));
            ASSERT_TRUE(trial.begin());
            trial.cluster().node(trial.leader()).kill();
            longest = std::max(longest, trial.wait_for_next());
        });
        EXPECT_LT(longest, Duration::milliseconds(1500)) << "combined: " << combined;
        RecordProperty(combined ? "combined_ms" : "separate_ms", std::to_string(longest.ms()));
    }
}

// The same process is the active controller: another one is elected first.
TEST(FailOver, EvenIfItIsTheActiveController) {
    Duration longest;
    for_seeds(10, [&](std::uint64_t seed) {
        Trial trial(seed, shape_of(true));
        ASSERT_TRUE(trial.begin());
        ASSERT_EQ(trial.leader(), trial.cluster().leader());
        trial.cluster().node(trial.leader()).kill();
        longest = std::max(longest, trial.wait_for_next());
    });
    EXPECT_LT(longest, Duration::milliseconds(1500));
    RecordProperty("controller_ms", std::to_string(longest.ms()));
}

TEST(FailOver, SilenceIsNoEvidence) {
    Trial trial(1, shape_of(false));
    ASSERT_TRUE(trial.begin());
    std::int32_t leader = trial.leader();
    trial.cluster().node(leader).lose_power();
    EXPECT_GT(trial.wait_for_next(), Duration::seconds(6));
}

TEST(FailOver, SilenceEndsTheSessionWhereRefusalsDoNot) {
    Trial trial(2, shape_of(false, "broker.session.refusal.ms=0\n"));
    ASSERT_TRUE(trial.begin());
    trial.cluster().node(trial.leader()).kill();
    EXPECT_GT(trial.wait_for_next(), Duration::seconds(6));
}

// Connections that break alone fence nobody, whoever breaks them.
TEST(FailOver, ABrokerWhoseConnectionsBreakIsNotFenced) {
    for_seeds(5, [&](std::uint64_t seed) {
        Trial trial(seed, shape_of(false));
        ASSERT_TRUE(trial.begin());
        SimulatedCluster& cluster = trial.cluster();
        std::int32_t controller = *cluster.leader();
        for (int i = 0; i < 20; ++i) {
            trial.world().fabric().reset(cluster.node(controller).machine(),
                                         cluster.node(trial.leader()).machine());
            trial.world().run_for(Duration::milliseconds(trial.world().random().between(10, 700)));
            for (std::int32_t id : {1, 2, 3})
                EXPECT_FALSE(cluster.image(controller)->brokers.find(id)->fenced) << id;
        }
    });
}

}  // namespace
}  // namespace millrace::server
