// An observer without an id of one controller in the simulator.

#include "quorum/metadata_observer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log_for_tests.h"
#include "client/client_config.h"
#include "env/sim/world.h"
#include "quorum/controller_listener_for_tests.h"
#include "quorum/quorum_for_tests.h"

namespace millrace::quorum {
namespace {

using testing::HasSubstr;

constexpr Duration patience = Duration::seconds(5);

client::ClusterOptions controllers() {
    auto config = client::AdminConfig::parse({{"bootstrap.controllers", "n1:9093"}});
    CHECK(config.has_value());
    return config->cluster();
}

class MetadataObserverTest : public testing::Test {
  protected:
    // `body` is given an observer on the machine where the controller is.
    using Body = std::function<Task<void>(MetadataQuorum&, ControllerListener&, MetadataObserver&)>;
    void run(const Body& body, std::string_view more = {},
             std::optional<std::string> cluster_id = std::nullopt) {
        std::string lines = "listeners=PLAINTEXT://n1:9092,CONTROLLER://n1:9093\n";
        auto config = config_for_tests("/data", lines + std::string(more));
        auto serve = [&](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
            ControllerListener listener(shard);
            listener.serve(&quorum);
            client::Cluster cluster(shard, controllers());
            MetadataObserver observer(cluster, cluster_id);
            EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
            co_await body(quorum, listener, observer);
            co_await cluster.close();
            co_await listener.stop(shard.now());
        };
        world.run(machine, [&](env::Shard& shard) -> Task<int> {
            auto formatted = format_for_tests(shard, config);
            EXPECT_TRUE(formatted) << formatted.error().message;
            co_return co_await with_quorum(shard, config, serve);
        });
    }
    static Task<void> create(MetadataQuorum& quorum, std::string name) {
        auto created = co_await quorum.submit(topic_for_tests(std::move(name)));
        EXPECT_TRUE(created) << created.error().message;
    }
    static Task<void> expect_all(MetadataQuorum& quorum, MetadataObserver& observer) {
        Result<> read = co_await observer.catch_up(patience);
        EXPECT_TRUE(read) << read.error().message;
        EXPECT_TRUE(observer.image()->same_content(*quorum.image()));
        EXPECT_EQ(observer.image()->offset, quorum.image()->offset);
        EXPECT_EQ(observer.provenance().offset, observer.image()->offset);
        EXPECT_EQ(observer.provenance().epoch, 1);
    }

    log::CapturedLog log;
    env::sim::World world{1, {.shuffle_coroutines = true}};
    env::sim::Node& machine = world.add_node("n1");
};

TEST_F(MetadataObserverTest, ReadsWhatIsCommittedAndWhatComesLater) {
    run([](MetadataQuorum& quorum, ControllerListener&, MetadataObserver& observer) -> Task<void> {
        co_await create(quorum, "first");
        co_await expect_all(quorum, observer);
        co_await create(quorum, "second");
        co_await expect_all(quorum, observer);
        EXPECT_NE(observer.image()->topics.find(std::string_view("second")), nullptr);
        for (const QuorumStatus::Replica& each : quorum.status().observers)
            ADD_FAILURE() << "the quorum counts " << each.key.id;
    });
}

TEST_F(MetadataObserverTest, BeginsWithASnapshotWhereTheLogBeginsLater) {
    auto body = [](MetadataQuorum& quorum, ControllerListener&,
                   MetadataObserver& observer) -> Task<void> {
        for (int i = 0; i < 60; ++i) co_await create(quorum, fmt::format("topic-{}", i));
        co_await expect_all(quorum, observer);
        // What is behind it by more than the log holds is left out.
        for (int i = 60; i < 120; ++i) co_await create(quorum, fmt::format("topic-{}", i));
        co_await expect_all(quorum, observer);
        EXPECT_EQ(observer.image()->topics.size(), 120U);
    };
    run(body,
        "metadata.log.max.record.bytes.between.snapshots=2000\n"
        "metadata.max.retention.bytes=3000\ninternal.metadata.log.segment.bytes=2000\n"
        "internal.metadata.max.batch.size.in.bytes=1500\n"
        "controller.quorum.fetch.snapshot.max.bytes=700\n"
        "controller.quorum.fetch.max.bytes=1000\n");
    EXPECT_FALSE(machine.disk().exists("/data/__cluster_metadata-0/00000000000000000000.log"))
        << "all was read from the log";
}

TEST_F(MetadataObserverTest, ReadsNoOtherClusterThanTheOneItIsOf) {
    run(
        [](MetadataQuorum&, ControllerListener&, MetadataObserver& observer) -> Task<void> {
            Result<> read = co_await observer.catch_up(patience);
            EXPECT_FALSE(read);
            if (read) co_return;
            EXPECT_EQ(read.error().code, ErrorCode::inconsistent_cluster_id);
            EXPECT_THAT(read.error().message, HasSubstr("has the id cluster-of-tests"));
        },
        {}, "other");
}

// The controller that tells of the leader is of another cluster than that one.
TEST_F(MetadataObserverTest, TheLeaderItselfRefusesAnotherCluster) {
    run([](MetadataQuorum&, ControllerListener& listener,
           MetadataObserver& observer) -> Task<void> {
        listener.cluster_id = "other";
        Result<> read = co_await observer.catch_up(patience);
        EXPECT_FALSE(read);
        if (read) co_return;
        EXPECT_EQ(read.error().code, ErrorCode::inconsistent_cluster_id);
        EXPECT_THAT(read.error().message, HasSubstr("controller 1 at n1:9093"));
    });
}

TEST_F(MetadataObserverTest, GivesUpWhenNobodyAnswers) {
    run([](MetadataQuorum&, ControllerListener& listener,
           MetadataObserver& observer) -> Task<void> {
        listener.serve(nullptr);
        Result<> read = co_await observer.catch_up(patience);
        EXPECT_FALSE(read);
        if (read) co_return;
        EXPECT_EQ(read.error().code, ErrorCode::request_timed_out);
        EXPECT_THAT(read.error().message, HasSubstr("reading the metadata log"));
    });
}

}  // namespace
}  // namespace millrace::quorum
