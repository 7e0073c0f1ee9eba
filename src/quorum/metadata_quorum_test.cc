#include "quorum/metadata_quorum.h"

#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/controller/alter_partition.h"
#include "env/sim/world.h"
#include "quorum/quorum_for_tests.h"
#include "quorum/snapshot_file.h"
#include "records/builder.h"
#include "storage/directory_health.h"
#include "storage/log.h"

namespace millrace::quorum {
namespace {

constexpr std::string_view log_path = "/data/__cluster_metadata-0";

// A node of a simulated world whose directory is formatted.
class MetadataQuorumTest : public testing::Test {
  protected:
    explicit MetadataQuorumTest(std::string_view more = {})
        : world(1, {.shuffle_coroutines = true}),
          node(world.add_node("node")),
          config(config_for_tests("/data", more)) {
        world.run(node, [this](env::Shard& shard) -> Task<int> {
            auto formatted = format_for_tests(shard, config);
            EXPECT_TRUE(formatted) << formatted.error().message;
            co_return 0;
        });
    }
    void run(const QuorumBody& body) {
        world.run(node, [&](env::Shard& shard) { return with_quorum(shard, config, body); });
    }
    // Why a quorum does not open.
    std::optional<Error> refusal(const config::BrokerConfig& other) {
        std::optional<Error> error;
        world.run(node, [&](env::Shard& shard) -> Task<int> {
            auto quorum = co_await open_for_tests(shard, other);
            if (!quorum) {
                error = quorum.error();
            } else {
                EXPECT_TRUE(co_await (*quorum)->stop());
            }
            co_return 0;
        });
        return error;
    }
    std::vector<std::string> files() {
        auto entries = node.disk().list(log_path);
        EXPECT_TRUE(entries);
        std::vector<std::string> names;
        for (const env::DirectoryEntry& entry : *entries) names.push_back(entry.name);
        return names;
    }
    std::set<std::string> deleted_files() {
        std::set<std::string> deleted;
        for (const std::string& name : files()) {
            if (name.ends_with(".deleted")) deleted.insert(name);
        }
        return deleted;
    }
    std::size_t snapshots() {
        std::size_t count = 0;
        for (const std::string& name : files()) {
            auto parsed = parse_snapshot_name(name);
            if (parsed && parsed->kind == SnapshotName::Kind::whole) ++count;
        }
        return count;
    }

    env::sim::World world;
    env::sim::Node& node;
    config::BrokerConfig config;
};

TEST_F(MetadataQuorumTest, AFormattedDirectoryIsLedAndServes) {
    run([](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        metadata::ImagePtr image = co_await quorum.caught_up();
        EXPECT_EQ(quorum.leader_id(), 1);
        EXPECT_EQ(image->features.metadata_version, metadata::MetadataVersion::latest());
        EXPECT_TRUE(image->features.elr_enabled());

        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        auto created = co_await quorum.submit(topic_for_tests("orders", 3));
        EXPECT_TRUE(created);
        if (!created) co_return;
        EXPECT_EQ(created->response.topics.at(0).error_code, ErrorCode::none);
        image = co_await quorum.image_after(created->offset - 1);
        const metadata::Topic* topic = image->topics.find(std::string_view("orders"));
        EXPECT_NE(topic, nullptr);
        if (topic == nullptr) co_return;
        EXPECT_EQ(topic->partitions.size(), 3U);
        EXPECT_EQ(topic->partition(0)->leader, 1);

        QuorumStatus status = quorum.status();
        EXPECT_EQ(status.leader, 1);
        EXPECT_EQ(status.epoch, 1);
        EXPECT_GT(status.high_watermark, created->offset);
        EXPECT_EQ(status.voters.size(), 1U);
        EXPECT_EQ(status.voters.at(0).log_end, status.high_watermark);
    });
}

TEST_F(MetadataQuorumTest, ARestartFindsWhatWasCommitted) {
    metadata::ImagePtr before;
    run([&](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        for (int i = 0; i < 20; ++i) {
            auto created = co_await quorum.submit(topic_for_tests("t" + std::to_string(i)));
            EXPECT_TRUE(created) << created.error().message;
        }
        before = quorum.image();
    });
    for (int epoch = 2; epoch < 5; ++epoch) {
        run([&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
            metadata::ImagePtr image = co_await quorum.caught_up();
            EXPECT_TRUE(image->same_content(*before));
            EXPECT_EQ(quorum.status().epoch, epoch);
        });
    }
}

TEST_F(MetadataQuorumTest, TheNodesOwnBrokerRegistersAtOnceAfterARestart) {
    run([](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        // While it is heard of, another one with its id is refused.
        auto other = co_await quorum.submit(registration_for_tests(shard, 1));
        EXPECT_TRUE(other);
        EXPECT_EQ(other->response.error_code, ErrorCode::duplicate_broker_registration);
    });
    run([](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        co_await quorum.caught_up();
        auto again = co_await quorum.submit(registration_for_tests(shard, 1));
        EXPECT_TRUE(again);
        EXPECT_EQ(again->response.error_code, ErrorCode::none);
    });
}

TEST_F(MetadataQuorumTest, CommandsOfOneTurnAreDecidedInOrder) {
    run([](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        std::vector<ErrorCode> answers;
        std::vector<std::int64_t> offsets;
        auto create = [&](std::string name) -> Task<void> {
            auto created = co_await quorum.submit(topic_for_tests(std::move(name)));
            EXPECT_TRUE(created) << created.error().message;
            if (!created) co_return;
            answers.push_back(created->response.topics.at(0).error_code);
            offsets.push_back(created->offset);
        };
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn(create("a"));
            scope.spawn(create("a"));  // sees the first one, which is not committed yet
            for (int i = 0; i < 50; ++i) scope.spawn(create("b" + std::to_string(i)));
            co_await scope.join();
        });
        EXPECT_EQ(answers.size(), 52U);
        if (answers.empty()) co_return;
        EXPECT_EQ(std::ranges::count(answers, ErrorCode::topic_already_exists), 1);
        // What the refusal rests on is committed, too.
        EXPECT_GE(quorum.image()->offset, *std::ranges::max_element(offsets));
        EXPECT_EQ(quorum.image()->topics.size(), 51U);
    });
}

TEST_F(MetadataQuorumTest, AnIdleLogGetsNoOpRecordsAndSilentBrokersAreFenced) {
    run([](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        std::int64_t offset = quorum.image()->offset;
        Time begin = shard.now();
        co_await quorum.image_after(offset + 3);
        EXPECT_GE(shard.now() - begin, Duration::milliseconds(1'900));
        EXPECT_LE(shard.now() - begin, Duration::milliseconds(2'100));

        while (!quorum.image()->brokers.find(1)->fenced)
            co_await quorum.image_after(quorum.image()->offset);
        EXPECT_GE(shard.now() - begin, Duration::milliseconds(8'900));
        EXPECT_LE(shard.now() - begin, Duration::milliseconds(18'500));
    });
}

TEST_F(MetadataQuorumTest, LeadershipsGoBackToThePreferredReplicas) {
    config = config_for_tests("/data", "leader.imbalance.check.interval.seconds=3\n");
    run([](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        std::map<std::int32_t, std::int64_t> epochs;
        co_await quorum.caught_up();
        for (std::int32_t id : {1, 2}) {
            auto registered = co_await quorum.submit(registration_for_tests(shard, id));
            EXPECT_TRUE(registered);
            if (!registered) co_return;
            epochs[id] = registered->response.broker_epoch;
        }
        auto beat = [&](std::int32_t id, bool fence) -> Task<void> {
            auto command = heartbeat_for_tests(id, epochs[id], quorum.image()->offset);
            command.request.want_fence = fence;
            EXPECT_TRUE(co_await quorum.submit(command));
        };
        for (std::int32_t id : {1, 2}) co_await beat(id, false);
        controller::CreateTopics topic;
        auto& wanted = topic.request.topics.emplace_back();
        wanted.name = "t";
        wanted.num_partitions = wanted.replication_factor = -1;
        wanted.assignments.push_back({.partition_index = 0, .broker_ids = {1, 2}});
        EXPECT_TRUE(co_await quorum.submit(topic));
        for (bool fence : {true, false}) co_await beat(1, fence);

        auto leader = [&] { return quorum.image()->topics.find("t", 0)->leader; };
        EXPECT_EQ(leader(), 2);
        controller::AlterPartition join;
        join.request.broker_id = 2;
        join.request.broker_epoch = epochs[2];
        const metadata::Topic& made = *quorum.image()->topics.find("t");
        auto& data = join.request.topics.emplace_back();
        data.topic_id = made.id;
        auto& partition = data.partitions.emplace_back();
        partition.leader_epoch = made.partition(0)->leader_epoch;
        partition.partition_epoch = made.partition(0)->epoch;
        partition.new_isr_with_epochs = {{.broker_id = 2, .broker_epoch = epochs[2]},
                                         {.broker_id = 1, .broker_epoch = epochs[1]}};
        EXPECT_TRUE(co_await quorum.submit(join));
        Time began = shard.now();
        while (leader() != 1) co_await quorum.image_after(quorum.image()->offset);
        EXPECT_LE(shard.now() - began, Duration::milliseconds(3'100));
    });
}

TEST_F(MetadataQuorumTest, WaitersAreCancelledWhenItStops) {
    bool ended = false;
    world.run(node, [&](env::Shard& shard) -> Task<int> {
        Scope scope(shard);
        auto quorum = co_await open_for_tests(shard, config);
        EXPECT_TRUE(quorum);
        if (!quorum) co_return 1;
        auto wait = [&]() -> Task<void> {
            bool cancelled = false;
            try {
                co_await (*quorum)->image_after(1'000'000);
            } catch (const Cancelled&) {
                cancelled = true;
            }
            EXPECT_TRUE(cancelled);
            ended = true;
        };
        scope.spawn(wait());
        co_await (*quorum)->caught_up();
        EXPECT_TRUE(co_await (*quorum)->stop());
        EXPECT_EQ((*quorum)->leader_id(), raft::no_node);
        quorum->reset();
        co_await scope.join();
        co_return 0;
    });
    EXPECT_TRUE(ended);
}

TEST_F(MetadataQuorumTest, AFailedSyncEndsItForGood) {
    world.run(node, [&](env::Shard& shard) -> Task<int> {
        auto quorum = co_await open_for_tests(shard, config);
        EXPECT_TRUE(quorum);
        if (!quorum) co_return 1;
        EXPECT_TRUE(co_await start_broker_for_tests(shard, **quorum));
        node.disk().fail_next(env::sim::Disk::Fault::sync, ".log");
        auto created = co_await (*quorum)->submit(topic_for_tests("lost"));
        EXPECT_FALSE(created);
        if (!created) EXPECT_EQ(created.error().code, ErrorCode::kafka_storage_error);
        Error failure = co_await (*quorum)->failed();
        EXPECT_EQ(failure.code, ErrorCode::kafka_storage_error);
        EXPECT_EQ((*quorum)->leader_id(), raft::no_node);
        EXPECT_EQ((*quorum)->image()->topics.size(), 0U);
        created = co_await (*quorum)->submit(topic_for_tests("never"));
        EXPECT_FALSE(created);
        EXPECT_FALSE(co_await (*quorum)->stop());
        co_return 0;
    });
}

TEST_F(MetadataQuorumTest, AQuorumThatCannotBeIsRefused) {
    // The voters of the log count, whatever the config says.
    EXPECT_FALSE(refusal(
        config_for_tests("/data", "controller.quorum.voters=1@a:9093,2@b:9093,3@c:9093\n")));

    auto error = refusal(config_for_tests("/data", "node.id=2\n"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::invalid_config);
    EXPECT_NE(error->message.find("The only voter"), std::string::npos) << error->message;

    ASSERT_TRUE(node.disk().remove_all(log_path));
    error = refusal(config);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::invalid_config);
    EXPECT_NE(error->message.find("--standalone"), std::string::npos) << error->message;
}

TEST_F(MetadataQuorumTest, AStaticQuorumOfOne) {
    ASSERT_TRUE(node.disk().remove_all(log_path));
    config = config_for_tests("/data", "controller.quorum.voters=1@localhost:9093\n");
    run([](env::Shard&, MetadataQuorum& quorum) -> Task<void> { co_await quorum.caught_up(); });
    auto state = env::read_file(node.disk(), std::string(log_path) + "/quorum-state");
    ASSERT_TRUE(state);
    // The first line is all that Apache reads.
    EXPECT_EQ(state->substr(0, state->find('\n')),
              R"({"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,)"
              R"("currentVoters":[{"voterId":1}],"data_version":0})");
    run([](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
        co_await quorum.caught_up();
        EXPECT_EQ(quorum.status().epoch, 2);
    });
}

TEST_F(MetadataQuorumTest, FilesAreThoseOfApache) {
    run([](env::Shard&, MetadataQuorum& quorum) -> Task<void> { co_await quorum.caught_up(); });
    std::vector<std::string> expected{
        ".millrace-leader-epoch-checkpoint",
        "00000000000000000000-0000000000.checkpoint",
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "leader-epoch-checkpoint",
        "partition.metadata",
        "quorum-state",
    };
    std::vector<std::string> found;
    for (const std::string& name : files()) {
        if (!name.ends_with(".snapshot")) found.push_back(name);
    }
    EXPECT_EQ(found, expected);
    auto read = [&](std::string_view name) {
        auto text = env::read_file(node.disk(), std::string(log_path) + "/" + std::string(name));
        return text.value_or("");
    };
    EXPECT_TRUE(read("partition.metadata")
                    .starts_with("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n#crc32c="));
    EXPECT_EQ(read("quorum-state").substr(0, read("quorum-state").find('\n')),
              R"({"leaderId":1,"leaderEpoch":1,"votedId":-1,)"
              R"("votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1})");
    EXPECT_EQ(read("leader-epoch-checkpoint"), "0\n1\n1 0\n");
}

// A log whose batches are sound and whose records are not.
TEST_F(MetadataQuorumTest, RecordsThatMeanNothingAreAnErrorThatNamesThem) {
    world.run(node, [&](env::Shard& shard) -> Task<int> {
        storage::DirectoryHealth health;
        storage::LogOrigin origin;
        origin.path = log_path;
        auto log = co_await storage::Log::open(shard, health, origin);
        EXPECT_TRUE(log);
        if (!log) co_return 1;
        BatchBuilder builder;
        builder.append(0, std::nullopt, as_bytes(std::string_view("\x01\x7f\x00nonsense", 11)));
        storage::AppendAs as{storage::AppendOrigin::raft_leader, 1};
        EXPECT_TRUE((*log)->append_as_leader(builder.build(), as));
        EXPECT_TRUE(co_await (*log)->durable(1));
        EXPECT_TRUE(co_await (*log)->close());
        co_return 0;
    });
    auto error = refusal(config);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::unsupported_version);
    EXPECT_NE(error->message.find("offset 0"), std::string::npos) << error->message;
}

TEST_F(MetadataQuorumTest, DamagedFilesAreErrorsThatNameThem) {
    run([](env::Shard&, MetadataQuorum& quorum) -> Task<void> { co_await quorum.caught_up(); });
    std::string snapshot = std::string(log_path) + "/00000000000000000000-0000000000.checkpoint";
    node.disk().rot(snapshot, 80);
    auto error = refusal(config);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::kafka_storage_error);
    EXPECT_NE(error->message.find(snapshot), std::string::npos) << error->message;
    node.disk().rot(snapshot, 80);
    EXPECT_FALSE(refusal(config));

    std::string state = std::string(log_path) + "/quorum-state";
    ASSERT_TRUE(env::replace_file(node.disk(), state, "{}"));
    error = refusal(config);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::kafka_storage_error);
    EXPECT_NE(error->message.find("data_version"), std::string::npos) << error->message;
}

class MetadataSnapshotTest : public MetadataQuorumTest {
  protected:
    // Small enough that snapshots and segments follow one another.
    MetadataSnapshotTest()
        : MetadataQuorumTest(
              "metadata.log.max.record.bytes.between.snapshots=4000\n"
              "internal.metadata.log.segment.bytes=4000\n"
              "metadata.max.retention.bytes=12000\n") {}
    static Task<void> create(env::Shard& shard, MetadataQuorum& quorum, std::string prefix,
                             int count) {
        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        for (int i = 0; i < count; ++i) {
            auto created = co_await quorum.submit(topic_for_tests(prefix + std::to_string(i)));
            EXPECT_TRUE(created) << created.error().message;
            if (!created) co_return;
            EXPECT_EQ(created->response.topics.at(0).error_code, ErrorCode::none);
        }
    }
};

TEST_F(MetadataSnapshotTest, TheLogIsCutBehindSnapshotsAndReopens) {
    metadata::ImagePtr before;
    run([&](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        co_await create(shard, quorum, "a", 150);
        before = quorum.image();
        EXPECT_EQ(before->topics.size(), 150U);
    });
    EXPECT_GE(snapshots(), 1U);
    EXPECT_FALSE(node.disk().exists(std::string(log_path) + "/00000000000000000000.log"));
    EXPECT_FALSE(
        node.disk().exists(std::string(log_path) + "/00000000000000000000-0000000000.checkpoint"));
    run([&](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        metadata::ImagePtr image = co_await quorum.caught_up();
        EXPECT_TRUE(image->same_content(*before));
        co_await create(shard, quorum, "b", 100);
        // Files renamed to .deleted go a minute later.
        std::set<std::string> doomed = deleted_files();
        EXPECT_FALSE(doomed.empty());
        co_await env::sleep_for(shard, Duration::seconds(61));
        for (const std::string& name : deleted_files()) EXPECT_FALSE(doomed.contains(name)) << name;
        before = quorum.image();
    });
    run([&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
        metadata::ImagePtr image = co_await quorum.caught_up();
        EXPECT_TRUE(image->same_content(*before));
        EXPECT_EQ(image->topics.size(), 250U);
    });
}

TEST_F(MetadataSnapshotTest, ALogWithoutTheSnapshotItGoesOnFromIsRefused) {
    run([&](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
        co_await create(shard, quorum, "a", 150);
    });
    for (const std::string& name : files()) {
        if (!parse_snapshot_name(name)) continue;
        ASSERT_TRUE(node.disk().remove(std::string(log_path) + "/" + name));
    }
    auto error = refusal(config);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::kafka_storage_error);
    EXPECT_NE(error->message.find("restore the snapshots"), std::string::npos) << error->message;
}

TEST_F(MetadataSnapshotTest, AFailedSnapshotEndsIt) {
    world.run(node, [&](env::Shard& shard) -> Task<int> {
        auto quorum = co_await open_for_tests(shard, config);
        EXPECT_TRUE(quorum);
        if (!quorum) co_return 1;
        EXPECT_TRUE(co_await start_broker_for_tests(shard, **quorum));
        node.disk().fail_next(env::sim::Disk::Fault::sync, ".checkpoint.part");
        for (int i = 0; i < 150; ++i) {
            if (!co_await (*quorum)->submit(topic_for_tests("t" + std::to_string(i)))) break;
        }
        Error failure = co_await (*quorum)->failed();
        EXPECT_NE(failure.message.find(".checkpoint.part"), std::string::npos) << failure.message;
        (void)co_await (*quorum)->stop();
        co_return 0;
    });
    run([](env::Shard&, MetadataQuorum& quorum) -> Task<void> { co_await quorum.caught_up(); });
}

}  // namespace
}  // namespace millrace::quorum
