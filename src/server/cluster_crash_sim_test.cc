// Clusters whose nodes are killed, lose their power, are cut off and left behind while topics are
// created and deleted: one leader an epoch, what was acknowledged stays, all read the same.

#include <gtest/gtest.h>
#include <map>
#include <set>

#include "client/admin_topics.h"
#include "env/sim/fabric.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

// So that snapshots follow one another, and whoever was away needs one.
constexpr std::string_view often =
    "metadata.log.max.record.bytes.between.snapshots=3000\n"
    "metadata.max.retention.bytes=6000\n"
    "internal.metadata.log.segment.bytes=3000\n"
    "internal.metadata.max.batch.size.in.bytes=2500\n"
    "internal.metadata.delete.delay.millis=1000\n"
    "broker.session.timeout.ms=3000\n"
    "broker.heartbeat.interval.ms=500\n"
    "initial.broker.registration.timeout.ms=600000\n"
    "request.timeout.ms=5000\n"
    "num.partitions=2\n";

ClusterShape shape_of(std::uint64_t seed) {
    ClusterShape shape;
    if (seed % 3 == 0) {
        shape.nodes = {{1, Roles::both}, {2, Roles::both}, {3, Roles::both}};
    } else {
        shape.nodes = {{1, Roles::controller},
                       {2, Roles::controller},
                       {3, Roles::controller},
                       {11, Roles::broker},
                       {12, Roles::broker}};
    }
    shape.dynamic = seed % 2 == 0;
    shape.lines = often;
    return shape;
}

// What must hold of all nodes after each step.
class MetadataLaws {
  public:
    void look(SimulatedCluster& cluster) {
        for (std::int32_t id : cluster.node_ids()) {
            if (!cluster.node(id).ready()) {
                seen_.erase(id);
                continue;
            }
            quorum::MetadataQuorum& quorum = cluster.node(id).process().quorum();
            metadata::ImagePtr image = quorum.image();
            if (metadata::ImagePtr& before = seen_[id]; before != image) {
                if (before != nullptr) {
                    EXPECT_GT(image->offset, before->offset) << "the image of node " << id;
                }
                before = image;
                look_at(id, image);
            }
            if (quorum.leader_id() != id) continue;
            std::int32_t epoch = quorum.status().epoch;
            auto [at, first] = leaders_.emplace(epoch, id);
            EXPECT_EQ(at->second, id) << "two lead in epoch " << epoch;
        }
    }
    std::size_t terms() const { return leaders_.size(); }

  private:
    void look_at(std::int32_t id, const metadata::ImagePtr& image) {
        auto [at, first] = images_.emplace(image->offset, image);
        if (!first) {
            EXPECT_TRUE(at->second->same_content(*image))
                << "node " << id << " read something else at offset " << image->offset;
        }
        while (images_.size() > 2000) images_.erase(images_.begin());
    }

    std::map<std::int32_t, metadata::ImagePtr> seen_;
    std::map<std::int64_t, metadata::ImagePtr> images_;
    std::map<std::int32_t, std::int32_t> leaders_;
};

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          cluster_(world_, shape_of(seed)),
          client_(world_.add_node("client")) {
        world_.after_each_step([this] { laws_.look(cluster_); });
    }
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
        world_.after_each_step({});
    }

    void run() {
        ASSERT_TRUE(cluster_.start_and_wait());
        client_.start([this](env::Shard& shard) -> Task<int> {
            co_await create_topics(shard);
            co_return 0;
        });
        for (int round = 0; round < 12 && !testing::Test::HasFailure(); ++round) suffer();
        cluster_.recover();
        enough_ = true;
        ASSERT_TRUE(cluster_.wait_for([&] { return !client_.running(); }, Duration::seconds(600)));
        ASSERT_TRUE(cluster_.wait_for([&] { return cluster_.settled(); }));
        metadata::ImagePtr image = cluster_.image(*cluster_.leader());
        for (const std::string& name : created_) {
            EXPECT_NE(image->topics.find(std::string_view(name)), nullptr) << name << " is gone";
        }
        for (std::int32_t id : cluster_.node_ids()) {
            EXPECT_TRUE(cluster_.image(id)->same_content(*image)) << "node " << id;
        }
    }
    std::size_t created() const { return created_.size(); }
    std::size_t terms() const { return laws_.terms(); }

  private:
    Random& random() { return world_.random(); }

    Task<void> create_topics(env::Shard& shard) {
        std::string servers;
        for (std::int32_t id : cluster_.brokers())
            servers += fmt::format("{}{}:9092", servers.empty() ? "" : ",", cluster_.machine(id));
        auto config = client::AdminConfig::parse({{"bootstrap.servers", servers},
                                                  {"default.api.timeout.ms", "20000"},
                                                  {"request.timeout.ms", "5000"}});
        CHECK(config.has_value());
        client::Admin admin(shard, *config);
        auto body = [&]() -> Task<void> {
            for (int i = 0; !enough_; ++i) {
                client::NewTopic topic;
                topic.name = fmt::format("topic-{}", i);
                auto created = co_await client::create_topics(admin, {topic});
                const auto& outcome = created.at(topic.name);
                if (outcome || outcome.error().code == ErrorCode::topic_already_exists)
                    created_.insert(topic.name);
                co_await env::sleep_for(shard, Duration::milliseconds(250));
            }
        };
        co_await and_finally(shard, body, [&] { return admin.close(); });
    }

    SimulatedNode& any_node() {
        const auto& ids = cluster_.node_ids();
        auto leader = cluster_.leader();
        if (leader && random().chance(0.4)) return cluster_.node(*leader);
        return cluster_.node(ids[random().below(ids.size())]);
    }

    void suffer() {
        SimulatedNode& victim = any_node();
        switch (random().below(5)) {
            case 0:
                victim.kill();
                break;
            case 1:
                victim.lose_power();
                break;
            case 2:
                world_.fabric().isolate(victim.machine());
                break;
            case 3:
                world_.fabric().cut_one_way({&victim.machine()}, {&any_node().machine()});
                break;
            default:
                for (std::int32_t id : cluster_.node_ids()) {
                    if (random().chance(0.5)) cluster_.node(id).lose_power();
                }
        }
        world_.run_for(Duration::milliseconds(random().between(10, 6000)));
        if (random().chance(0.7)) world_.fabric().heal();
        if (random().chance(0.8)) cluster_.start_all();
        world_.run_for(Duration::milliseconds(random().between(10, 4000)));
    }

    env::sim::World world_;
    SimulatedLog log_;
    MetadataLaws laws_;
    SimulatedCluster cluster_;
    env::sim::Node& client_;
    bool enough_ = false;
    std::set<std::string> created_;
};

TEST(ClusterCrashTest, WhatWasAcknowledgedStays) {
    std::size_t created = 0;
    std::size_t terms = 0;
    std::uint64_t run = for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        created += trial.created();
        terms += trial.terms();
    });
    EXPECT_GT(created, run);  // else nothing was tried
    EXPECT_GT(terms, run);
}

}  // namespace
}  // namespace millrace::server
