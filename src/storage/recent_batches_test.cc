// What a log knows of its producers after a restart, from the end of the log and its snapshots.

#include "storage/recent_batches.h"

#include <gtest/gtest.h>
#include <limits>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;

constexpr AppendAs as_client{.origin = AppendOrigin::client, .leader_epoch = 0};

class RecentBatchesTest : public testing::Test {
  protected:
    RecentBatchesTest() : node_(world_.add_node("node")) {
        EXPECT_TRUE(node_.disk().make_directories("/d"));
        origin_.path = "/d/t-0";
        // Test records bear timestamps of 1970.
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    }

    // One life of the log, which ends clean.
    void live(std::function<Task<void>(Log&)> body) {
        auto main = [&](Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin_);
            EXPECT_TRUE(log);
            co_await body(**log);
            EXPECT_TRUE(co_await (*log)->close());
            origin_.clean_shutdown = true;
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }
    static TestBatch of(std::int64_t producer, std::int32_t sequence) {
        return {.value_size = 50, .producer_id = producer, .sequence = sequence};
    }
    static std::size_t known(Log& log, std::int64_t producer) {
        const Producer* found = log.producers().find(producer);
        return found == nullptr ? 0 : found->batch_count();
    }

    env::sim::World world_{11};
    env::sim::Node& node_;
    LogOrigin origin_;
};

TEST_F(RecentBatchesTest, FiveBatchesOfEachProducerAreKnownAfterARestart) {
    origin_.options.segment_bytes = 1000;  // the batches lie in several segments
    live([](Log& log) -> Task<void> {
        for (int i = 0; i < 8; ++i) {
            for (std::int64_t producer : {1, 2, 3}) {
                EXPECT_TRUE(log.append_as_leader(make_batch(of(producer, i)), as_client));
            }
        }
        EXPECT_TRUE(log.append_as_leader(make_batch(of(4, 7)), as_client));
        co_await log.written(25);
        EXPECT_GT(log.segment_count(), 3U);
    });
    live([](Log& log) -> Task<void> {
        for (std::int64_t producer : {1, 2, 3}) {
            EXPECT_EQ(known(log, producer), 5U);
            for (int i = 3; i < 8; ++i) {
                auto again = log.append_as_leader(make_batch(of(producer, i)), as_client);
                EXPECT_TRUE(again && again->duplicate) << producer << " " << i;
                EXPECT_EQ(again->first_offset, 3 * i + producer - 1);
            }
            auto older = log.append_as_leader(make_batch(of(producer, 2)), as_client);
            EXPECT_EQ(older.error().code, ErrorCode::out_of_order_sequence_number);
        }
        EXPECT_EQ(known(log, 4), 1U);
        EXPECT_EQ(log.next_offset(), 25);
        co_return;
    });
}

TEST_F(RecentBatchesTest, ATruncatedLogKnowsThemToo) {
    live([](Log& log) -> Task<void> {
        for (int i = 0; i < 9; ++i) {
            EXPECT_TRUE(log.append_as_leader(make_batch(of(1, i)), as_client));
            if (i == 6) EXPECT_TRUE(log.roll());
        }
        co_await log.written(9);
        EXPECT_TRUE(log.truncate_to(8));
        EXPECT_EQ(known(log, 1), 5U);
        auto again = log.append_as_leader(make_batch(of(1, 3)), as_client);
        EXPECT_TRUE(again && again->duplicate);
    });
}

TEST_F(RecentBatchesTest, LooksBackNoFurtherThanSomeIndexEntries) {
    origin_.options.index_interval_bytes = 1;  // an entry for each batch but the first
    live([](Log& log) -> Task<void> {
        EXPECT_TRUE(log.append_as_leader(make_batch(of(1, 3)), as_client));
        for (int i = 0; i < 100; ++i) {
            EXPECT_TRUE(log.append_as_leader(make_batch(of(2, i)), as_client));
        }
        EXPECT_TRUE(log.append_as_leader(make_batch(of(1, 4)), as_client));
        co_await log.written(102);
    });
    live([](Log& log) -> Task<void> {
        EXPECT_EQ(known(log, 1), 1U);
        EXPECT_EQ(known(log, 2), 5U);
        co_return;
    });
}

TEST_F(RecentBatchesTest, AnIndexThatLeadsAstrayIsNotBelieved) {
    origin_.options.index_interval_bytes = 1;
    live([](Log& log) -> Task<void> {
        for (int i = 0; i < 100; ++i) {
            EXPECT_TRUE(log.append_as_leader(make_batch(of(1, i)), as_client));
        }
        co_await log.written(100);
    });
    std::string index = "/d/t-0/00000000000000000000.index";
    // The entry at which the walk begins: 64 before the end of 99.
    node_.disk().rot(index, 35 * OffsetIndex::entry_size + 7, 3);
    live([](Log& log) -> Task<void> {
        EXPECT_EQ(known(log, 1), 1U);
        auto last = log.append_as_leader(make_batch(of(1, 99)), as_client);
        EXPECT_TRUE(last && last->duplicate);
        co_return;
    });
}

}  // namespace
}  // namespace millrace::storage
