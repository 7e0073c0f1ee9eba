// Clusters of three brokers, each partition on all of them, under kills, power cuts and cuts of the
// network while clients write with acks=all and read: what was acknowledged is there, once and in
// order, on every replica, and the high watermark never goes back. So it is where the older
// segments are kept in a store (KIP-405), that replicas of tiered topics share.

#include <gtest/gtest.h>
#include <map>
#include <vector>

#include "base/random.h"
#include "client/admin_topics.h"
#include "env/disk.h"
#include "env/sim/fabric.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_cluster_for_tests.h"
#include "server/tiered_world_for_tests.h"

namespace millrace::server {
namespace {

constexpr int producers = 2;
constexpr int records_each = 150;
constexpr std::string_view lines =
    "default.replication.factor=3\n"
    "min.insync.replicas=2\n"
    "offsets.topic.replication.factor=3\n"
    "broker.session.timeout.ms=3000\n"
    "broker.heartbeat.interval.ms=500\n"
    "initial.broker.registration.timeout.ms=600000\n"
    "request.timeout.ms=5000\n"
    "replica.lag.time.max.ms=4000\n"
    "replica.fetch.wait.max.ms=200\n"
    "log.index.interval.bytes=200\n";
constexpr std::string_view on_a_store =
    "rlmm.config.remote.log.metadata.topic.replication.factor=3\n"
    "rlmm.config.remote.log.metadata.topic.min.isr=2\n";
constexpr std::string_view no_hurry =
    "delivery.timeout.ms=1200000\nmax.block.ms=1200000\nrequest.timeout.ms=4000\n";

ClusterShape shape_of(std::uint64_t seed, std::string_view more = {}) {
    return three_brokers(seed, std::string(lines) + std::string(more));
}

enum class Segments { here, tiered };

class Trial {
  public:
    explicit Trial(std::uint64_t seed, Segments segments = Segments::here)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          nas_(world_),
          tiered_(segments == Segments::tiered),
          cluster_(world_,
                   tiered_ ? shape_of(seed, std::string(tiered_configs) + std::string(on_a_store))
                           : shape_of(seed)),
          ledger_("t", static_cast<std::int32_t>(random().between(1, 3)), servers()) {
        for (int i = 0; i < producers; ++i) {
            producers_.push_back(&world_.add_node(fmt::format("producer-{}", i)));
        }
        observer_ = &world_.add_node("observer");
        checker_ = &world_.add_node("checker");
        if (!tiered_) return;
        if (random().chance(0.5)) nas_.faults = {.before = 0.1, .after = 0.1, .shortened = 0.1};
        for (std::int32_t id : cluster_.node_ids()) {
            cluster_.node(id).keep_segments_in(
                [this, id](const config::BrokerConfig&) { return nas_.mount(id); });
        }
    }
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    void run() {
        ASSERT_TRUE(cluster_.start_and_wait());
        create_topic();
        start_clients();
        while (!testing::Test::HasFailure() && !have_ended()) suffer();
        cluster_.recover();
        ASSERT_TRUE(cluster_.wait_for([&] { return have_ended(); }, Duration::seconds(900)))
            << "the producers did not end";
        nas_.faults = {};  // of the next processes
        cluster_.recover();
        // A leader that was cut off, and does not know yet that it leads no longer, answers with
        // what it has.
        ASSERT_TRUE(cluster_.wait_for([&] { return cluster_.settled(); }));
        run_on(world_, *checker_, [this](env::Shard& shard) { return ledger_.check(shard); });
        reading_ended_ = true;
        ASSERT_TRUE(cluster_.wait_for([&] { return !observer_->running(); }));
        compare_replicas();
    }
    std::size_t acknowledged() const { return ledger_.acknowledged(); }
    std::size_t stored() { return nas_.stored().size(); }  // objects

  private:
    Random& random() { return world_.random(); }
    std::string servers() const {
        std::string all;
        for (std::int32_t id : cluster_.brokers()) {
            all += fmt::format("{}{}:9092", all.empty() ? "" : ",", SimulatedCluster::machine(id));
        }
        return fmt::format("bootstrap.servers={}\n", all);
    }

    void create_topic() {
        cluster_.administer([this](client::Admin& admin) -> Task<void> {
            client::NewTopic topic;
            topic.name = ledger_.topic();
            topic.partitions = ledger_.partitions();
            topic.configs["internal.segment.bytes"] =
                std::to_string(random().between(2500, 20'000));
            if (tiered_) {
                topic.configs["remote.storage.enable"] = "true";
                topic.configs["local.retention.bytes"] = "1";
            }
            auto created = co_await client::create_topics(admin, {topic});
            EXPECT_TRUE(created.at(topic.name)) << created.at(topic.name).error().message;
        });
    }
    void start_clients() {
        for (int i = 0; i < producers; ++i) {
            std::string config = fmt::format(
                "{}max.in.flight.requests.per.connection={}\nlinger.ms={}\nbatch.size={}\n",
                no_hurry, random().chance(0.5) ? 5 : 1, random().between(0, 20),
                random().between(100, 2000));
            producers_[static_cast<std::size_t>(i)]->start(
                [this, i, config](env::Shard& shard) -> Task<int> {
                    co_await ledger_.produce(shard, i, records_each, config);
                    co_return 0;
                });
        }
        observer_->start([this](env::Shard& shard) -> Task<int> {
            co_await ledger_.observe(
                shard,
                "auto.offset.reset=none\nrequest.timeout.ms=4000\ndefault.api.timeout.ms=5000\n",
                [this] { return reading_ended_; });
            co_return 0;
        });
    }
    bool have_ended() const {
        return std::ranges::none_of(producers_, [](const auto* each) { return each->running(); });
    }

    // One thing that happens to a broker, or to all, and a while after it.
    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(10, 3000)));
        std::vector<std::int32_t> brokers = cluster_.brokers();
        SimulatedNode& victim = cluster_.node(brokers[random().below(brokers.size())]);
        switch (random().below(8)) {
            case 0:
            case 1:
                if (victim.running()) victim.kill();
                break;
            case 2:
            case 3:
                if (victim.running()) victim.lose_power();
                break;
            case 4:
                world_.fabric().isolate(victim.machine());
                break;
            case 5: {
                SimulatedNode& other = cluster_.node(brokers[random().below(brokers.size())]);
                if (&other != &victim) {
                    world_.fabric().cut_one_way({&victim.machine()}, {&other.machine()});
                }
                break;
            }
            case 6:
                if (victim.running() && victim.ready()) victim.ask_to_stop();
                break;
            default:
                if (random().chance(0.8)) break;
                for (std::int32_t id : brokers) {
                    if (cluster_.node(id).running()) cluster_.node(id).lose_power();
                }
        }
        world_.run_for(Duration::milliseconds(random().between(10, 8000)));
        if (random().chance(0.8)) world_.fabric().heal();
        if (random().chance(0.8)) cluster_.start_all();
    }

    // The segments of all replicas are the same, byte for byte, once they are level.
    void compare_replicas() {
        if (testing::Test::HasFailure() || tiered_) return;  // each drops segments when it likes
        bool level = cluster_.wait_for([this] { return are_level(); }, Duration::seconds(120));
        EXPECT_TRUE(level) << "the replicas of " << ledger_.topic() << " do not come level";
    }
    bool are_level() {
        for (std::int32_t partition = 0; partition < ledger_.partitions(); ++partition) {
            std::string first;
            for (std::int32_t id : cluster_.brokers()) {
                std::string log = content(id, partition);
                if (id == cluster_.brokers().front()) first = log;
                if (log != first) return false;
            }
        }
        return true;
    }
    // Of all segments, one behind the other: replicas may roll at other places.
    std::string content(std::int32_t id, std::int32_t partition) {
        env::Disk& disk = cluster_.node(id).machine().shard(0).disk();
        std::string directory = fmt::format("/data/{}-{}", ledger_.topic(), partition);
        auto entries = disk.list(directory);
        if (!entries) return {};
        std::map<std::string, std::string> segments;
        for (const env::DirectoryEntry& entry : *entries) {
            if (!entry.name.ends_with(".log")) continue;
            auto bytes = env::read_file(disk, directory + "/" + entry.name);
            if (bytes) segments[entry.name] = *std::move(bytes);
        }
        std::string all;
        for (const auto& [name, bytes] : segments) all += bytes;
        return all;
    }

    env::sim::World world_;
    SimulatedLog log_;
    Nas nas_;
    bool tiered_;
    SimulatedCluster cluster_;
    Ledger ledger_;
    std::vector<env::sim::Node*> producers_;
    env::sim::Node* observer_ = nullptr;
    env::sim::Node* checker_ = nullptr;
    bool reading_ended_ = false;
};

TEST(ReplicationSimulation, WhatWasAcknowledgedIsOnEveryReplica) {
    std::size_t acknowledged = 0;
    std::uint64_t run = for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        acknowledged += trial.acknowledged();
    });
    if (!HasFailure()) {
        EXPECT_EQ(acknowledged, run * producers * records_each);
    }
}

TEST(ReplicationSimulation, SoIsWhatIsKeptInAStore) {
    std::size_t stored = 0;
    for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed, Segments::tiered);
        trial.run();
        stored += trial.stored();
    });
    EXPECT_GT(stored, 0U);
}

// Sends one record, and gives what became of it.
Result<client::RecordMetadata> send_one(env::sim::World& world, env::sim::Node& machine) {
    Result<client::RecordMetadata> outcome = fail(ErrorCode::unknown_server_error);
    run_on(world, machine, [&](env::Shard& shard) -> Task<void> {
        co_await with_producer(
            shard,
            "bootstrap.servers=node11:9092,node12:9092,node13:9092\n"
            "delivery.timeout.ms=8000\nrequest.timeout.ms=2000\nlinger.ms=0\n",
            [&](client::Producer& producer) -> Task<void> {
                auto sent = co_await producer.send({.topic = "t", .value = as_bytes("value")});
                EXPECT_TRUE(sent) << (sent ? "" : sent.error().message);
                if (sent) outcome = co_await sent->get();
            });
    });
    return outcome;
}

TEST(ReplicationSimulation, FewerReplicasThanTheMinimumTakeNoRecords) {
    env::sim::World world(1);
    SimulatedLog log(world);
    SimulatedCluster cluster(world, shape_of(1));
    env::sim::Node& machine = world.add_node("producer");
    ASSERT_TRUE(cluster.start_and_wait());
    cluster.administer([](client::Admin& admin) -> Task<void> {
        client::NewTopic topic;
        topic.name = "t";
        topic.partitions = 1;
        auto created = co_await client::create_topics(admin, {topic});
        EXPECT_TRUE(created.at("t"));
    });
    auto in_sync = [&] { return cluster.image(1)->topics.find("t", 0)->isr.size(); };
    EXPECT_EQ(in_sync(), 3U);
    EXPECT_TRUE(send_one(world, machine));
    cluster.node(12).kill();
    Time began = world.now();
    EXPECT_TRUE(send_one(world, machine)) << "two are enough";
    EXPECT_LT((world.now() - began).ms(), 8000);
    cluster.node(13).kill();
    ASSERT_TRUE(cluster.wait_for([&] { return in_sync() == 1; }));
    auto refused = send_one(world, machine);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("NOT_ENOUGH_REPLICAS"), std::string::npos)
        << refused.error().message;
    cluster.node(12).start();
    ASSERT_TRUE(cluster.wait_for([&] { return in_sync() == 2; }));
    EXPECT_TRUE(send_one(world, machine));
    world.crash(machine);
}

}  // namespace
}  // namespace millrace::server
