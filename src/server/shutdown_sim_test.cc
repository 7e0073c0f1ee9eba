// Brokers that end while the cluster around them does, too: without controllers, forgotten by them,
// with a log directory that fails meanwhile.

#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "client/admin_topics.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

// How long a broker looks for controllers before it goes on without them, and what else it does.
constexpr Duration without_controllers = Duration::seconds(9);

class Trial {
  public:
    explicit Trial(std::uint64_t seed, std::string lines = {})
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          cluster_(world_, {.nodes = {{1, Roles::controller},
                                      {2, Roles::controller},
                                      {3, Roles::controller},
                                      {11, Roles::broker},
                                      {12, Roles::broker}},
                            .dynamic = seed % 3 == 0,
                            .lines = std::move(lines)}) {}
    Trial(const Trial&) = delete;
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    // Both brokers lead some of the topic's partitions.
    bool begin() {
        if (!cluster_.start_and_wait()) return false;
        cluster_.administer([](client::Admin& admin) -> Task<void> {
            client::NewTopic topic{.name = "t", .partitions = 6, .replication_factor = 2};
            auto created = co_await client::create_topics(admin, {topic});
            EXPECT_TRUE(created.at("t")) << created.at("t").error().message;
        });
        return cluster_.wait_for([this] { return cluster_.settled() && led_by(11) > 0; });
    }
    std::size_t led_by(std::int32_t broker) {
        const auto* topic = cluster_.image(*cluster_.leader())->topics.find(std::string_view("t"));
        std::size_t count = 0;
        if (topic == nullptr) return 0;
        for (const auto& [index, partition] : topic->partitions)
            count += partition->leader == broker;
        return count;
    }
    // How long a broker takes to end in order, while `meanwhile` happens so long after its
    // beginning.
    Duration stop(std::int32_t broker, Duration later = {},
                  const std::function<void()>& meanwhile = {}) {
        Time began = world_.now();
        cluster_.node(broker).ask_to_stop();
        if (meanwhile) {
            world_.run_for(later);
            meanwhile();
        }
        EXPECT_TRUE(cluster_.wait_for([&] { return !cluster_.node(broker).running(); }));
        return world_.now() - began;
    }
    void kill_controllers() {
        for (std::int32_t id : cluster_.controllers()) cluster_.node(id).kill();
    }
    // It comes back, and both serve everything again.
    void expect_recovery() {
        cluster_.recover();
        EXPECT_TRUE(cluster_.wait_for([&] {
            if (!cluster_.leader() || !cluster_.settled()) return false;
            return led_by(11) + led_by(12) == 6;
        }));
    }
    SimulatedCluster& cluster() { return cluster_; }
    env::sim::World& world() { return world_; }

  private:
    env::sim::World world_;
    SimulatedLog log_;
    SimulatedCluster cluster_;
};

TEST(Shutdown, ABrokerWithoutControllersEnds) {
    for_seeds(6, [](std::uint64_t seed) {
        Trial trial(seed);
        ASSERT_TRUE(trial.begin());
        trial.kill_controllers();
        EXPECT_LT(trial.stop(11), without_controllers);
        trial.expect_recovery();
    });
}

TEST(Shutdown, ABrokerWhoseControllersGoMeanwhileEnds) {
    for_seeds(12, [](std::uint64_t seed) {
        Trial trial(seed);
        ASSERT_TRUE(trial.begin());
        Duration later = Duration::microseconds(trial.world().random().between(0, 60'000));
        EXPECT_LT(trial.stop(11, later, [&] { trial.kill_controllers(); }), without_controllers);
        trial.expect_recovery();
    });
}

TEST(Shutdown, TheLeaderMayChangeMeanwhile) {
    for_seeds(12, [](std::uint64_t seed) {
        Trial trial(seed);
        ASSERT_TRUE(trial.begin());
        Duration later = Duration::microseconds(trial.world().random().between(0, 30'000));
        std::int32_t leader = *trial.cluster().leader();
        EXPECT_LT(trial.stop(11, later, [&] { trial.cluster().node(leader).kill(); }),
                  Duration::seconds(20));
        ASSERT_TRUE(trial.cluster().wait_for([&] { return trial.cluster().leader().has_value(); }));
        EXPECT_TRUE(trial.cluster().wait_for([&] { return trial.led_by(12) == 6; }))
            << "what it led was handed over";
        trial.expect_recovery();
    });
}

TEST(Shutdown, ABrokerThatWasForgottenEndsAtOnce) {
    for_seeds(4, [](std::uint64_t seed) {
        Trial trial(seed);
        ASSERT_TRUE(trial.begin());
        trial.cluster().administer([](client::Admin& admin) -> Task<void> {
            auto forgotten = co_await client::unregister_broker(admin, 11);
            EXPECT_TRUE(forgotten) << forgotten.error().message;
        });
        EXPECT_LT(trial.stop(11), Duration::seconds(3));
        trial.expect_recovery();
    });
}

// The controllers hear of the directory once there are some again.
TEST(Shutdown, AFailedDirectoryIsToldWhenControllersAreBack) {
    for_seeds(6, [](std::uint64_t seed) {
        Trial trial(seed, "metadata.log.dir=/meta\nlog.dirs=/a,/b\n");
        ASSERT_TRUE(trial.begin());
        trial.kill_controllers();
        trial.cluster().node(11).doom();
        trial.cluster().node(11).disk().break_under("/b/");
        trial.world().run_for(Duration::seconds(trial.world().random().between(1, 20)));
        EXPECT_TRUE(trial.cluster().node(11).running());
        trial.cluster().start_all();
        auto only_one_is_online = [&] {
            auto leader = trial.cluster().leader();
            if (!leader) return false;
            const metadata::Broker* broker = trial.cluster().image(*leader)->brokers.find(11);
            return broker != nullptr && !broker->fenced && broker->directories.size() == 1;
        };
        EXPECT_TRUE(trial.cluster().wait_for(only_one_is_online));
        EXPECT_LT(trial.stop(11), Duration::seconds(20));
        trial.cluster().node(11).disk().mend();
        trial.expect_recovery();
    });
}

}  // namespace
}  // namespace millrace::server
