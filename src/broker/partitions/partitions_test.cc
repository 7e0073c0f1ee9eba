// What a partition shows of a log that an unclean end may have left ahead of its stable storage, in
// the simulator.

#include "broker/partitions/partitions.h"

#include <functional>
#include <gtest/gtest.h>

#include "broker/partitions/partitions_for_tests.h"
#include "config/properties.h"
#include "env/disk.h"
#include "env/sim/world.h"
#include "records/batch.h"
#include "storage/log_directory.h"
#include "storage/test_batches.h"

namespace millrace::broker {
namespace {

using storage::make_batch;
using storage::Offset;

constexpr Timestamp latest = -1;
constexpr Timestamp earliest = -2;
constexpr Timestamp max_timestamp = -3;
constexpr int stable = 3;    // records below the recovery point
constexpr int unsynced = 4;  // records behind it

config::BrokerConfig configured() {
    auto parsed = config::BrokerConfig::parse(*config::Properties::parse(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:9092,C://:9093\n"
        "controller.listener.names=C\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\nlog.dirs=/data\n"));
    CHECK(parsed.has_value());
    return *parsed;
}

class PartitionsTest : public testing::Test {
  protected:
    // A life of the node, on the directory that the one before has left.
    struct Life {
        explicit Life(env::Shard& here)
            : shard(here), metrics(here.now()), partitions(here, 1, metrics) {
            auto opened = storage::LogDirectory::open(here.disk(), "/data");
            CHECK(opened.has_value());
            directory = *std::move(opened);
        }
        PartitionOpening opening(Offset recovery_point, Offset log_start) {
            metadata::Partition state;
            state.leader = 1;
            state.replicas = state.isr = {1};
            PartitionOpening opening{
                .identity = {"t", id.topic_id, id.partition},
                .directory = directory.get(),
                .origin = {},
                .state = state,
                .config = config::TopicConfig::effective(configured(), {{"retention.ms", "-1"}})};
            if (shard.disk().exists("/data/t-0")) {
                opening.origin.path = "/data/t-0";
                opening.origin.recovery_point = recovery_point;
                opening.origin.log_start = log_start;
                opening.origin.pages_in_doubt = false;
            }
            return opening;
        }
        // Whether something is hidden.
        Task<bool> open(Offset recovery_point, bool flush_acks_all = true, Offset log_start = 0) {
            NodeTerms node = NodeTerms::of(configured());
            node.flush_acks_all = flush_acks_all;
            bool hides = co_await partitions.open(opening(recovery_point, log_start), node);
            partition = partitions.find(id);
            EXPECT_NE(partition, nullptr);
            co_return hides;
        }
        Task<void> produce(int records, std::int16_t acks) {
            Produced produced =
                co_await partition->produce(make_batch({.records = records, .timestamp = 1'000}),
                                            {.acks = acks, .version = 9}, partitions.validator());
            EXPECT_EQ(produced.error, ErrorCode::none) << produced.message;
        }
        Task<Partition::ListedOffset> list(Timestamp timestamp) {
            return partition->list_offset({.timestamp = timestamp});
        }
        Task<void> expect_shown(Offset end) {
            Fetched fetched = co_await partition->fetch(
                {.offset = 0, .max_bytes = 1 << 20, .whole_first_batch = true});
            EXPECT_EQ(fetched.error, ErrorCode::none);
            EXPECT_EQ(fetched.high_watermark, end);
            EXPECT_EQ(fetched.last_stable_offset, end);
            Offset shown = 0;
            Buffer bytes;
            if (!fetched.records.empty()) {
                const auto& range = std::get<FileRange>(fetched.records.pieces().front());
                bytes.resize(range.size);
                EXPECT_TRUE(range.file->read(range.offset, bytes.mutable_bytes()));
            }
            BatchReader reader(bytes.bytes());
            for (auto batch = reader.next(); batch && *batch; batch = reader.next()) {
                shown = (*batch)->next_offset();
            }
            EXPECT_EQ(shown, end);
        }
        Task<void> end() {
            partition.reset();
            (void)co_await close_all(partitions);
        }

        env::Shard& shard;
        metrics::Registry metrics;
        std::unique_ptr<storage::LogDirectory> directory;
        Partitions partitions;
        std::shared_ptr<Partition> partition;
        TopicIdPartition id{Uuid{1, 2}, 0};
    };

    PartitionsTest() {
        node_.start([](env::Shard& here) -> Task<int> {
            Life life(here);
            EXPECT_FALSE(co_await life.open(0)) << "a new log hides nothing";
            co_await life.produce(stable, -1);
            co_await life.produce(unsynced, 1);
            co_await life.expect_shown(stable + unsynced);
            co_await env::sleep_for(here, Duration::seconds(3600));  // until it is killed
            co_return 0;
        });
        world_.run_for(Duration::seconds(10));
        world_.kill(node_);
    }
    void live(std::function<Task<void>(Life&)> body) {
        int code = world_.run(node_, [&](env::Shard& here) -> Task<int> {
            Life life(here);
            co_await body(life);
            co_await life.end();
            co_return 0;
        });
        EXPECT_EQ(code, 0);
    }

    env::sim::World world_{3};
    env::sim::Node& node_ = world_.add_node("node");
};

TEST_F(PartitionsTest, ALogThatCannotBeReadIsOfflineAndItsDirectoryIsNot) {
    live([](Life& life) -> Task<void> {
        auto file = life.shard.disk().open("/data/t-0/00000000000000000000.log", {.write = true});
        EXPECT_TRUE(file);
        EXPECT_TRUE((*file)->write(batch_layout::magic, as_bytes("\1")));

        EXPECT_FALSE(
            co_await life.partitions.open(life.opening(0, 0), NodeTerms::of(configured())));
        EXPECT_EQ(life.partitions.find(life.id), nullptr);
        EXPECT_EQ(life.partitions.absence_of(life.id), ErrorCode::kafka_storage_error);
        EXPECT_FALSE(life.directory->health().failed());
    });
}

TEST_F(PartitionsTest, WhatIsNotKnownToBeSyncedIsHiddenUntilItIs) {
    live([](Life& life) -> Task<void> {
        EXPECT_TRUE(co_await life.open(stable));
        co_await life.expect_shown(stable);
        EXPECT_EQ((co_await life.list(latest)).error, ErrorCode::offset_not_available);
        EXPECT_EQ((co_await life.list(max_timestamp)).error, ErrorCode::offset_not_available);
        EXPECT_EQ((co_await life.list(1'003)).error, ErrorCode::offset_not_available);
        EXPECT_EQ((co_await life.list(1'002)).offset, 2);
        EXPECT_EQ((co_await life.list(5'000)).error, ErrorCode::none);
        EXPECT_EQ((co_await life.list(5'000)).offset, -1) << "there is none, whatever is hidden";
        EXPECT_EQ((co_await life.list(earliest)).offset, 0);
        // Behind what is hidden there is more that is hidden.
        co_await life.produce(1, 1);
        co_await life.expect_shown(stable);

        co_await life.partitions.sync_recovered(life.id);
        co_await life.partition->recovered();
        EXPECT_FALSE(life.partition->hides_unsynced());
        co_await life.expect_shown(stable + unsynced + 1);
        EXPECT_EQ((co_await life.list(latest)).offset, stable + unsynced + 1);
        EXPECT_EQ((co_await life.list(1'003)).offset, stable + 3);
    });
}

TEST_F(PartitionsTest, AProducerThatWantsStableStorageEndsTheWaitToo) {
    live([](Life& life) -> Task<void> {
        EXPECT_TRUE(co_await life.open(stable));
        co_await life.produce(1, -1);
        co_await life.partition->recovered();
        co_await life.expect_shown(stable + unsynced + 1);
    });
}

TEST_F(PartitionsTest, NothingIsHiddenOfWhatNobodyWantsSynced) {
    live([](Life& life) -> Task<void> {
        EXPECT_FALSE(co_await life.open(stable, false));
        co_await life.expect_shown(stable + unsynced);
    });
}

TEST_F(PartitionsTest, NothingIsHiddenBelowTheRecoveryPoint) {
    live([](Life& life) -> Task<void> {
        EXPECT_FALSE(co_await life.open(stable + unsynced));
        co_await life.expect_shown(stable + unsynced);
    });
}

TEST_F(PartitionsTest, NothingIsHiddenOfALogWithoutRecords) {
    live([](Life& life) -> Task<void> {
        EXPECT_FALSE(co_await life.open(0, true, stable + unsynced));
        EXPECT_EQ((co_await life.list(latest)).offset, stable + unsynced);
    });
}

TEST_F(PartitionsTest, WhatCannotBeSyncedStaysHiddenAndClosesTheDirectory) {
    live([&](Life& life) -> Task<void> {
        EXPECT_TRUE(co_await life.open(stable));
        node_.disk().fail_next(env::sim::Disk::Fault::sync, "/data/t-0");
        co_await life.partitions.sync_recovered(life.id);
        EXPECT_TRUE(life.directory->health().failed());
        EXPECT_TRUE(life.partition->hides_unsynced());
        co_await life.expect_shown(stable);
        EXPECT_EQ((co_await life.list(latest)).error, ErrorCode::offset_not_available);

        std::shared_ptr<Partition> partition = life.partition;
        co_await life.partitions.take_offline(*life.directory);
        co_await partition->recovered();  // who waits goes on, and hears that it is offline
        EXPECT_EQ(partition->check_leader(-1), ErrorCode::kafka_storage_error);
    });
}

}  // namespace
}  // namespace millrace::broker
