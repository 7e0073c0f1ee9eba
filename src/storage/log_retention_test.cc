// Retention of one log: what goes when, and what a crash in between leaves.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <limits>

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
constexpr Offset everything = std::numeric_limits<Offset>::max();

class LogRetentionTest : public SimulatedLogTest {
  protected:
    // Segments of one batch each, whose records bear the times given.
    static Task<void> fill(Log& log, std::vector<Timestamp> times) {
        for (Timestamp time : times) {
            EXPECT_TRUE(log.roll());
            EXPECT_TRUE(log.append_as_leader(make_batch({.timestamp = time}), as_client));
        }
        EXPECT_TRUE(co_await log.written(log.next_offset()));
        EXPECT_EQ(log.segment_count(), times.size());
    }
};

TEST_F(LogRetentionTest, SegmentsGoByAgeAndTheirFilesAfterTheDelay) {
    origin_.options.file_delete_delay_ms = 5'000;
    live([](Shard& here, Log& log) -> Task<void> {
        Timestamp now = here.wall_ms();
        co_await fill(log, {now - 3000, now - 2000, now - 1000});
        EXPECT_EQ(*co_await log.expire({.ms = 3000}, everything), std::nullopt);
        EXPECT_EQ(*co_await log.expire({.ms = 1500}, 3), 2);
        EXPECT_EQ(log.start_offset(), 2);
        EXPECT_EQ(log.segment_count(), 3U);
        EXPECT_TRUE(log.remove_below(2));
        EXPECT_EQ(log.segment_count(), 1U);
        std::string file = "/d/t-0/00000000000000000000.log.deleted";
        EXPECT_EQ(co_await log.remove_deleted(), now + 5'000);
        co_await env::sleep_for(here, Duration::milliseconds(4'999));
        EXPECT_TRUE(co_await log.remove_deleted());
        EXPECT_TRUE(here.disk().exists(file));
        co_await env::sleep_for(here, Duration::milliseconds(1));
        EXPECT_EQ(co_await log.remove_deleted(), std::nullopt);
        EXPECT_FALSE(here.disk().exists(file));
    });
}

TEST_F(LogRetentionTest, AStartIsSavedBehindTheEpochsThatItHides) {
    live([](Shard&, Log& log) -> Task<void> {
        log.begin_epoch(0);
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 4}), as_client));
        EXPECT_TRUE(co_await log.durable(4));
        EXPECT_TRUE(log.advance_start(2));
        EXPECT_EQ(log.saved_start_offset(), 2) << "the file has the epoch";
        log.begin_epoch(3);
        EXPECT_TRUE(log.append_as_leader(make_batch(), {.leader_epoch = 3}));
        EXPECT_TRUE(co_await log.written(5));
        EXPECT_TRUE(log.advance_start(5));
        EXPECT_EQ(log.saved_start_offset(), 2);
        EXPECT_TRUE(co_await log.save_epochs());
        EXPECT_EQ(log.saved_start_offset(), 5);
        log.begin_epoch(4);
        EXPECT_TRUE(log.truncate_to(1));
        EXPECT_EQ(log.start_offset(), 1);
        EXPECT_EQ(log.saved_start_offset(), 1) << "what is above the start would hide records";
    });
}

TEST_F(LogRetentionTest, ALogThatIsWhollyExpiredGoesOnAtItsEnd) {
    live([](Shard& here, Log& log) -> Task<void> {
        Timestamp now = here.wall_ms();
        co_await fill(log, {now - 3000, now - 2000});
        EXPECT_EQ(*co_await log.expire({.ms = 0}, 1), 1);  // the second is not below the bound
        EXPECT_EQ(*co_await log.expire({.ms = 0}, 2), 2);
        EXPECT_TRUE(log.remove_below(2));
        EXPECT_TRUE(log.empty());
        EXPECT_EQ(log.segment_count(), 1U);
        EXPECT_EQ(log.active_segment_base(), 2);
        EXPECT_EQ(*co_await log.expire({.ms = 0, .bytes = 0}, 2), std::nullopt);
        EXPECT_EQ(log.append_as_leader(make_batch({.timestamp = now}), as_client)->first_offset, 2);
        EXPECT_TRUE(co_await log.durable(3));
    });
    live([](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.start_offset(), 2);
        EXPECT_EQ(log.end_offset(), 3);
        co_return;
    });
}

TEST_F(LogRetentionTest, RecordsWithoutATimeAgeFromTheirWriting) {
    live([](Shard& here, Log& log) -> Task<void> {
        co_await fill(log, {no_timestamp});
        co_await env::sleep_for(here, Duration::seconds(10));
        EXPECT_EQ(*co_await log.expire({.ms = 10'000}, everything), std::nullopt);
        co_await env::sleep_for(here, Duration::milliseconds(1));
        EXPECT_EQ(*co_await log.expire({.ms = 10'000}, everything), 1);
    });
}

TEST_F(LogRetentionTest, ATimeInTheFutureKeepsTheSegmentAndWhatIsBehind) {
    live([](Shard& here, Log& log) -> Task<void> {
        Timestamp now = here.wall_ms();
        co_await fill(log, {now - 5000, now + 60'000, now - 4000});
        EXPECT_EQ(*co_await log.expire({.ms = 1000}, everything), 1);
        EXPECT_EQ(*co_await log.expire({.ms = 1000}, everything), 1);  // still to be removed
        EXPECT_TRUE(log.remove_below(1));
        EXPECT_EQ(*co_await log.expire({.ms = 1000}, everything), std::nullopt);
    });
}

TEST_F(LogRetentionTest, ColdTimeIndexesAreReadByAHelper) {
    live([](Shard& here, Log& log) -> Task<void> {
        std::vector<Timestamp> times;
        for (int i = 20; i > 0; --i) times.push_back(here.wall_ms() - 1000 * i);
        co_await fill(log, times);
        EXPECT_TRUE(co_await log.durable(20));
    });
    origin_.recovery_point = 20;
    node_.disk().conditions.cold = 0.7;
    live([](Shard& here, Log& log) -> Task<void> {
        EXPECT_EQ(*co_await log.expire({.ms = 10'500}, everything), 10);
        auto found = co_await log.find_by_timestamp(here.wall_ms() - 5'600);
        EXPECT_EQ(found->value().offset, 15);
        EXPECT_EQ((co_await log.find_max_timestamp())->value().offset, 19);
    });
}

TEST_F(LogRetentionTest, ASegmentTakesItsRoomAtOnceAndGivesTheRestBack) {
    origin_.options.preallocate = true;
    origin_.options.segment_bytes = 100'000;
    std::uint64_t size = 0;
    auto size_of = [](Shard& here, const std::string& name) {
        return (*here.disk().open("/d/t-0/" + name, {}))->size().value();
    };
    live([&](Shard& here, Log& log) -> Task<void> {
        EXPECT_EQ(size_of(here, "00000000000000000000.log"), 100'000U);
        co_await fill(log, {1000, 2000});
        EXPECT_LT(size_of(here, "00000000000000000000.log"), 100U);
        EXPECT_EQ(size_of(here, "00000000000000000001.log"), 100'000U);
        size = log.size();
        EXPECT_LT(size, 200U);
    });
    // After an unclean end the zeros are no batches.
    live([&](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.end_offset(), 2);
        EXPECT_EQ(log.size(), size);
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE(log.append_as_leader(make_batch(), as_client));
        EXPECT_TRUE(co_await log.written(3));
        EXPECT_TRUE(co_await log.close());
    });
    origin_.clean_shutdown = true;
    live([&](Shard& here, Log& log) -> Task<void> {
        EXPECT_LT(size_of(here, "00000000000000000002.log"), 100U);
        EXPECT_EQ(log.end_offset(), 3);
        co_return;
    });
}

// Of several renames a power cut keeps any; the start was written down before them.
TEST_F(LogRetentionTest, APowerCutLeavesNoGap) {
    for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        env::sim::World world(seed);
        env::sim::Node& node = world.add_node("node");
        EXPECT_TRUE(node.disk().make_directories("/d"));
        EXPECT_TRUE(node.disk().sync_directory("/"));
        LogOrigin origin = origin_;
        node.start([&](Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin);
            co_await fill(**log, {1000, 2000, 3000, 4000, 5000, 6000});
            EXPECT_TRUE(co_await (*log)->durable(6));
            EXPECT_EQ(*co_await (*log)->expire({.ms = 0}, 4), 4);
            origin.log_start = 4;
            EXPECT_TRUE((*log)->remove_below(4));
            co_await env::sleep_for(here, Duration::seconds(100));
            co_return 0;
        });
        world.run_for(Duration::seconds(10));
        world.crash(node);
        if (seed % 2 == 0) origin.recovery_point = 4;
        node.start([&](Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin);
            EXPECT_TRUE(log);
            EXPECT_EQ((*log)->start_offset(), 4);
            EXPECT_EQ((*log)->end_offset(), 6);
            auto read = (*log)->load({.offset = 4, .max_bytes = 10'000, .upper_bound = 6});
            EXPECT_TRUE(read && !read->empty());
            co_await (*log)->abandon();
            co_return 0;
        });
        EXPECT_TRUE(world.run_until([&] { return !node.running(); }));
    }
}

}  // namespace
}  // namespace millrace::storage
