// A log whose older segments are in remote storage: it begins there, and goes on here.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <limits>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/log_for_tests.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;

constexpr AppendAs as_client{.origin = AppendOrigin::client, .leader_epoch = 0};

class LogTieringTest : public SimulatedLogTest {
  protected:
    LogTieringTest() {
        origin_.options.tiered = true;
        origin_.options.file_delete_delay_ms = 0;
    }

    // Segments of two records each, all on stable storage.
    static Task<void> fill(Log& log, int segments, Timestamp time = 1'000) {
        log.begin_epoch(0);
        for (int i = 0; i < segments; ++i) {
            EXPECT_TRUE(log.roll());
            auto batch = make_batch({.records = 2, .timestamp = time + i});
            EXPECT_TRUE(log.append_as_leader(std::move(batch), as_client));
        }
        EXPECT_TRUE(co_await log.durable(log.next_offset()));
    }
};

TEST_F(LogTieringTest, KeepsItsStartWhenSegmentsGo) {
    live([](Shard&, Log& log) -> Task<void> {
        co_await fill(log, 4);
        EXPECT_EQ(log.local_start_offset(), 0);
        EXPECT_TRUE(co_await log.advance_local_start(5));
        EXPECT_EQ(log.segment_count(), 2U);
        EXPECT_EQ(log.start_offset(), 0);
        EXPECT_EQ(log.local_start_offset(), 4);
        EXPECT_EQ(log.read({.offset = 3, .max_bytes = 100, .upper_bound = 8}).error().code,
                  ErrorCode::offset_out_of_range);
        EXPECT_TRUE(log.read({.offset = 4, .max_bytes = 100, .upper_bound = 8}));
        EXPECT_EQ(log.epochs().epoch_at(0), 0);
        EXPECT_TRUE(co_await log.durable(8));
    });
    live([](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.start_offset(), 0);
        EXPECT_EQ(log.local_start_offset(), 4);
        EXPECT_EQ(log.end_offset(), 8);
        EXPECT_EQ(log.epochs().epoch_at(0), 0);
        EXPECT_TRUE(log.advance_start(3));
        EXPECT_EQ(log.local_start_offset(), 4);
        EXPECT_TRUE(log.advance_start(7));
        EXPECT_EQ(log.start_offset(), 7);
        EXPECT_EQ(log.local_start_offset(), 7);
        co_return;
    });
}

TEST_F(LogTieringTest, BeginsAtItsFirstSegmentWhenItIsNoLongerTiered) {
    live([](Shard&, Log& log) -> Task<void> {
        co_await fill(log, 3);
        EXPECT_TRUE(co_await log.advance_local_start(2));
        EXPECT_TRUE(co_await log.durable(6));
    });
    origin_.options.tiered = false;
    live([](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.start_offset(), 2);
        EXPECT_EQ(log.local_start_offset(), 2);
        co_return;
    });
}

TEST_F(LogTieringTest, TellsItsCompleteSegments) {
    live([](Shard&, Log& log) -> Task<void> {
        co_await fill(log, 3);
        auto first = log.complete_segment(0, 6);
        EXPECT_TRUE(first && *first);
        EXPECT_EQ((*first)->base, 0);
        EXPECT_EQ((*first)->end, 2);
        EXPECT_EQ((*first)->max_timestamp, 1'001);
        EXPECT_FALSE((*first)->has_aborted_transactions);
        EXPECT_EQ(log.complete_segment(1, 6)->value().base, 0);
        EXPECT_EQ(log.complete_segment(2, 6)->value().base, 2);
        EXPECT_EQ(log.complete_segment(0, 1)->has_value(), false) << "its end is not stable";
        EXPECT_EQ(log.complete_segment(4, 6)->has_value(), false) << "the last one is active";

        auto files = log.open_segment(0);
        EXPECT_TRUE(files) << files.error().message;
        EXPECT_TRUE(files->offset_index && files->time_index && files->producer_snapshot);
        EXPECT_EQ(files->transaction_index, nullptr);
        EXPECT_TRUE(co_await log.advance_local_start(4));
        EXPECT_EQ(*files->log->size(), (*first)->size) << "stays readable";
        EXPECT_EQ(log.open_segment(0).error().code, ErrorCode::resource_not_found);
        EXPECT_EQ(log.open_segment(4).error().code, ErrorCode::resource_not_found);
    });
}

TEST_F(LogTieringTest, OnlyWhatIsCopiedGoesByLocalRetention) {
    live([](Shard& here, Log& log) -> Task<void> {
        co_await fill(log, 4, here.wall_ms() - 10'000);
        RetentionLimits limits{.ms = 5'000};
        EXPECT_EQ(*co_await log.expire_locally(limits, 0, 8), std::nullopt);
        EXPECT_EQ(*co_await log.expire_locally(limits, 3, 8), 2);
        EXPECT_EQ(*co_await log.expire_locally({.bytes = 1}, 4, 8), 4);
        EXPECT_EQ(log.segment_count(), 4U);
        // All before it is copied: the active one is to follow, and is closed for that.
        EXPECT_EQ(*co_await log.expire_locally(limits, 6, 8), 6);
        EXPECT_EQ(log.segment_count(), 5U);
        EXPECT_EQ(log.active_segment_base(), 8);
        EXPECT_TRUE(co_await log.advance_local_start(6));
        EXPECT_EQ(*co_await log.expire_locally(limits, 8, 8), 8);
        EXPECT_EQ(log.start_offset(), 0);
        // What lies below the log's start is nowhere wanted.
        EXPECT_TRUE(log.advance_start(8));
        EXPECT_EQ(*co_await log.expire_locally({}, 0, 8), 8);
    });
}

// A replica that begins behind what is in remote storage only: idempotence and epochs go on.
TEST_F(LogTieringTest, BeginsBehindWhatIsRemote) {
    Slice snapshot;
    LeaderEpochs epochs;
    live([&](Shard&, Log& log) -> Task<void> {
        log.begin_epoch(0);
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 3, .producer_id = 7}), as_client));
        EXPECT_TRUE(log.roll());
        log.begin_epoch(2);
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 2}), {.leader_epoch = 2}));
        EXPECT_TRUE(co_await log.durable(5));
        snapshot = log.producers_at(3).value();
        EXPECT_FALSE(snapshot.empty());
        EXPECT_TRUE(log.producers_at(2).value().empty());
        epochs = log.epochs();
    });
    origin_.path = "/d/t-1";
    live([&](Shard&, Log& log) -> Task<void> {
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 9}), as_client));
        auto refused = log.begin_behind({.start = 1,
                                         .local_start = 3,
                                         .epochs = epochs,
                                         .producers = Slice::copy(std::string_view("no"))});
        EXPECT_EQ(refused.error().code, ErrorCode::corrupt_message);
        EXPECT_EQ(log.next_offset(), 9) << "nothing has changed";
        EXPECT_TRUE(log.begin_behind(
            {.start = 1, .local_start = 3, .epochs = epochs, .producers = snapshot}));
        EXPECT_EQ(log.start_offset(), 1);
        EXPECT_EQ(log.local_start_offset(), 3);
        EXPECT_EQ(log.end_offset(), 3);
        EXPECT_EQ(log.epochs().entries(), (std::vector<EpochStart>{{0, 1}}));
        EXPECT_EQ(log.saved_start_offset(), 0) << "nothing here tells the epochs yet";
        auto again = make_batch({.records = 3, .producer_id = 7});
        EXPECT_TRUE(log.append_as_leader(std::move(again), as_client)->duplicate);
        EXPECT_TRUE(co_await log.save_epochs());
        EXPECT_EQ(log.saved_start_offset(), 1);
        EXPECT_TRUE(co_await log.durable(3));
    });
    origin_.log_start = 1;
    live([&](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.start_offset(), 1);
        EXPECT_EQ(log.local_start_offset(), 3);
        EXPECT_EQ(log.epochs().entries(), (std::vector<EpochStart>{{0, 1}}));
        EXPECT_NE(log.producers().find(7), nullptr);
        co_return;
    });
}

// The power may go between any two operations of the disk: what is here has no hole.
TEST(LogTiering, APowerCutLeavesNoHole) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        env::sim::World world(seed);
        env::sim::Node& node = world.add_node("node");
        ASSERT_TRUE(node.disk().make_directories("/d"));
        ASSERT_TRUE(node.disk().sync_directory("/"));
        LogOrigin origin{.path = "/d/t-0"};
        origin.options.tiered = true;
        origin.options.file_delete_delay_ms = 0;
        origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        DirectoryHealth health;
        bool filled = false;
        node.start([&](Shard& here) -> Task<int> {
            auto log = co_await Log::open(here, health, origin);
            CHECK(log.has_value());
            (*log)->begin_epoch(0);
            for (int i = 0; i < 6; ++i) {
                CHECK((*log)->roll());
                CHECK((*log)->append_as_leader(make_batch({.records = 2}), as_client));
            }
            CHECK(co_await (*log)->durable(12));
            filled = true;
            node.disk().cut_off_after(world.random().below(20));
            (void)co_await (*log)->advance_local_start(10);
            co_await (*log)->abandon();
            co_return 0;
        });
        ASSERT_TRUE(world.run_until([&] { return filled; }));
        world.run_for(Duration::milliseconds(world.random().between(0, 50)));
        world.crash(node);
        int ended = world.run(node, [&](Shard& here) -> Task<int> {
            auto log = co_await Log::open(here, health, origin);
            EXPECT_TRUE(log) << log.error().message;
            if (!log) co_return 1;
            EXPECT_EQ((*log)->end_offset(), 12);
            EXPECT_EQ((*log)->start_offset(), 0);
            Offset next = (*log)->local_start_offset();
            while (next < 12) {
                auto batches = (*log)->load(
                    {.offset = next, .max_bytes = 1, .whole_first_batch = true, .upper_bound = 12});
                EXPECT_TRUE(batches) << batches.error().message;
                if (!batches || batches->empty()) co_return 1;
                BatchReader reader(batches->bytes());
                auto batch = reader.next();
                EXPECT_EQ((*batch)->base_offset(), next) << "a hole";
                next = (*batch)->next_offset();
            }
            co_await (*log)->abandon();
            co_return 0;
        });
        EXPECT_EQ(ended, 0);
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace millrace::storage
