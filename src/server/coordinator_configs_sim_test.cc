// What the configs of coordinators make of their logs: how batches are compressed, and how long an
// answer waits for replicas.

#include <gtest/gtest.h>
#include <set>
#include <string>

#include "client/admin_group_offsets.h"
#include "env/disk.h"
#include "env/sim/fabric.h"
#include "protocol/offset_commit.h"
#include "records/batch.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::string_view group = "g";

// The codecs of the batches of __consumer_offsets on a node.
std::set<int> codecs_on(env::sim::Disk& disk) {
    std::set<int> codecs;
    auto partitions = disk.list("/data");
    EXPECT_TRUE(partitions);
    for (const env::DirectoryEntry& partition : *partitions) {
        if (!partition.name.starts_with("__consumer_offsets-")) continue;
        std::string path = "/data/" + partition.name + "/00000000000000000000.log";
        auto text = env::read_file(disk, path);
        EXPECT_TRUE(text) << path;
        BatchReader batches(as_bytes(*text));
        while (true) {
            auto batch = batches.next();
            if (!batch || !*batch) break;
            codecs.insert((*batch)->codec_id());
        }
    }
    return codecs;
}

Task<void> commit(env::Shard& shard, std::int64_t offset) {
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        auto committed =
            co_await client::alter_group_offsets(admin, std::string(group), {{{"t", 0}, {offset}}});
        EXPECT_TRUE(committed.at({"t", 0})) << committed.at({"t", 0}).error().message;
    });
}

TEST(CoordinatorConfigs, OffsetsAreCompressedAsToldAndReadBack) {
    for (int codec : {0, 1, 2, 3, 4}) {
        env::sim::World world(1);
        SimulatedLog log(world);
        SimulatedNode node(world, 2,
                           fmt::format("offsets.topic.compression.codec={}\n"
                                       "offsets.load.buffer.size=1\n",
                                       codec));
        env::sim::Node& machine = world.add_node("client");
        node.start_and_wait();
        run_on(world, machine, [](env::Shard& shard) -> Task<void> {
            co_await create_topic(shard, "t", 1);
            for (std::int64_t offset : {1, 2, 3}) co_await commit(shard, offset);
        });
        node.ask_to_stop();
        ASSERT_TRUE(world.run_until([&] { return !node.running(); }));
        EXPECT_EQ(codecs_on(node.disk()), std::set<int>{codec});
        node.start_and_wait();
        run_on(world, machine, [](env::Shard& shard) -> Task<void> {
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                auto listed =
                    co_await client::list_group_offsets(admin, std::string(group), std::nullopt);
                EXPECT_TRUE(listed && listed->contains({"t", 0}));
                if (listed && listed->contains({"t", 0}))
                    EXPECT_EQ(listed->at({"t", 0})->offset, 3);
            });
        });
    }
}

TEST(CoordinatorConfigs, RecordsWaitForMoreAsLongAsTold) {
    for (int linger : {-1, 0, 300}) {
        env::sim::World world(1);
        SimulatedLog log(world);
        SimulatedNode node(world, 2,
                           fmt::format("group.coordinator.append.linger.ms={}\n", linger));
        env::sim::Node& machine = world.add_node("client");
        node.start_and_wait();
        run_on(world, machine, [&](env::Shard& shard) -> Task<void> {
            co_await create_topic(shard, "t", 1);
            co_await commit(shard, 1);  // the coordinator has loaded
            Time began = shard.now();
            co_await commit(shard, 2);
            EXPECT_EQ(shard.now() - began >= Duration::milliseconds(300), linger == 300);
        });
    }
}

// While a replica is silent and still in sync.
TEST(CoordinatorConfigs, ACommitThatTheReplicasDoNotGetFailsInTime) {
    env::sim::World world(1);
    SimulatedLog log(world);
    SimulatedCluster cluster(
        world, {.nodes = {{1, Roles::controller}, {11, Roles::broker}, {12, Roles::broker}},
                .lines = "offsets.commit.timeout.ms=700\noffsets.topic.num.partitions=1\n"
                         "offsets.topic.replication.factor=2\nbroker.session.timeout.ms=60000\n"});
    ASSERT_TRUE(cluster.start_and_wait());
    cluster.administer([](client::Admin& admin) -> Task<void> {
        client::NewTopic topic{.name = "t", .partitions = 1, .replication_factor = 1};
        EXPECT_TRUE((co_await client::create_topics(admin, {topic})).at("t"));
        auto committed =
            co_await client::alter_group_offsets(admin, std::string(group), {{{"t", 0}, {7}}});
        EXPECT_TRUE(committed.at({"t", 0})) << committed.at({"t", 0}).error().message;
    });
    const metadata::Partition* offsets =
        cluster.image(1)->topics.find(std::string_view("__consumer_offsets"))->partition(0);
    ASSERT_EQ(offsets->isr.size(), 2U);
    std::int32_t silent = offsets->leader == 11 ? 12 : 11;
    std::int32_t leader = offsets->leader;
    world.fabric().isolate(cluster.node(silent).machine());
    cluster.administer([&](client::Admin& admin) -> Task<void> {
        auto connection = co_await admin.cluster().broker(leader);
        CHECK(connection.has_value());
        std::string id(group);
        OffsetCommitRequest request{.group_id = id};
        request.topics = {
            {.name = "t", .partitions = {{.partition_index = 0, .committed_offset = 8}}}};
        Time began = admin.shard().now();
        auto reply = co_await (*connection)->call(request, {.max_version = 9});
        CHECK(reply.has_value());
        EXPECT_EQ(reply->response.topics.at(0).partitions.at(0).error_code,
                  ErrorCode::coordinator_not_available);
        EXPECT_GE(admin.shard().now() - began, Duration::milliseconds(700));
        EXPECT_LT(admin.shard().now() - began, Duration::milliseconds(1500));
    });
}

}  // namespace
}  // namespace millrace::server
