#include "core/share/share_partition.h"

#include <gtest/gtest.h>

namespace millrace::share {
namespace {

constexpr ShareLimits limits;
const Time start = Time() + Duration::seconds(1'000);

struct Bench {
    explicit Bench(Offset first = 0, const std::vector<StateBatch>& batches = {})
        : partition(*SharePartition::restore(first, batches)) {}

    std::vector<AcquiredRecords> acquire(std::vector<OffsetRange> read, std::int64_t records,
                                         AcquireMode mode = AcquireMode::batch_optimized,
                                         std::int64_t batch_size = 1'000,
                                         const std::string& member = "a") {
        Offset at = partition.fetch_offset(limits).value_or(-1);
        return partition.acquire({.member_id = member,
                                  .mode = mode,
                                  .batch_size = batch_size,
                                  .max_records = records,
                                  .fetch_offset = at,
                                  .batches = std::move(read),
                                  .aborted = {}},
                                 limits, now);
    }
    ErrorCode acknowledge(OffsetRange offsets, std::vector<std::int8_t> types,
                          const std::string& member = "a", bool written = true) {
        auto change = partition.acknowledge(member, {{offsets, std::move(types)}}, limits, now);
        if (!change) return change.error().code;
        batches = change->batches;
        partition.settle(change->id, written, limits, now);
        return ErrorCode::none;
    }

    SharePartition partition;
    Time now = start;
    std::vector<StateBatch> batches;
};

using Acquired = std::vector<AcquiredRecords>;
using Batches = std::vector<StateBatch>;

TEST(SharePartitionTest, GivesOutWholeBatchesOrSoManyRecords) {
    Bench whole;
    EXPECT_EQ(whole.acquire({{0, 9}, {10, 19}}, 3), (Acquired{{0, 9, 1}}));
    EXPECT_EQ(whole.partition.fetch_offset(limits), 10);

    Bench limited;
    EXPECT_EQ(limited.acquire({{0, 9}, {10, 19}}, 3, AcquireMode::record_limit),
              (Acquired{{0, 2, 1}}));
    EXPECT_EQ(limited.partition.fetch_offset(limits), 3);
    EXPECT_EQ(limited.acquire({{0, 9}}, 3, AcquireMode::record_limit), (Acquired{{3, 5, 1}}));
    EXPECT_EQ(limited.acquire({{0, 9}, {10, 19}}, 100), (Acquired{{6, 9, 1}, {10, 19, 1}}));
}

TEST(SharePartitionTest, CutsWhatItGivesOutWhereBatchesOfTheLogEnd) {
    Bench bench;
    EXPECT_EQ(bench.acquire({{0, 4}, {5, 9}, {10, 14}}, 15, AcquireMode::batch_optimized, 6),
              (Acquired{{0, 9, 1}, {10, 14, 1}}));
}

TEST(SharePartitionTest, GivesNoMoreThanMayBeLockedButWhatComesBack) {
    Bench bench;
    EXPECT_EQ(bench.acquire({{0, 1'999}}, 5'000), (Acquired{{0, 1'999, 1}}));
    EXPECT_EQ(bench.partition.fetch_offset(limits), std::nullopt);
    EXPECT_EQ(bench.acknowledge({7, 7}, {2}), ErrorCode::none);
    EXPECT_EQ(bench.partition.fetch_offset(limits), 7);
    EXPECT_EQ(bench.acquire({{0, 1'999}, {2'000, 2'009}}, 500), (Acquired{{7, 7, 2}}));
}

TEST(SharePartitionTest, TakesEachAcknowledgementForItsRecord) {
    Bench bench;
    bench.acquire({{0, 9}}, 10);
    EXPECT_EQ(bench.acknowledge({0, 4}, {1, 1, 2, 3, 0}), ErrorCode::none);
    EXPECT_EQ(bench.batches, (Batches{{0, 1, RecordState::acknowledged, 1},
                                      {2, 2, RecordState::available, 1},
                                      {3, 4, RecordState::archived, 1}}));
    EXPECT_EQ(bench.partition.start_offset(), 2);
    EXPECT_EQ(bench.partition.delivery_complete_count(), 2);
    EXPECT_EQ(bench.acquire({{0, 9}}, 10), (Acquired{{2, 2, 2}}));
}

TEST(SharePartitionTest, RefusesWhatAMemberDoesNotHold) {
    Bench bench;
    EXPECT_EQ(bench.acknowledge({0, 0}, {1}), ErrorCode::invalid_record_state);
    bench.acquire({{0, 9}}, 10);
    EXPECT_EQ(bench.acknowledge({0, 9}, {1}, "b"), ErrorCode::invalid_record_state);
    EXPECT_EQ(bench.acknowledge({5, 10}, {1}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.acknowledge({0, 9}, {1, 1}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.acknowledge({0, 9}, {5}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.acknowledge({0, 9}, {}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.acknowledge({9, 0}, {1}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.acknowledge({0, 9}, {1}), ErrorCode::none);
    EXPECT_EQ(bench.acknowledge({0, 9}, {1}), ErrorCode::none) << "it lies before the start";
}

TEST(SharePartitionTest, UndoesWhatCouldNotBeWritten) {
    Bench bench;
    bench.acquire({{0, 9}}, 10);
    EXPECT_EQ(bench.acknowledge({0, 9}, {1}, "a", false), ErrorCode::none);
    EXPECT_EQ(bench.partition.start_offset(), 0);
    EXPECT_EQ(bench.partition.delivery_complete_count(), 0);
    EXPECT_EQ(bench.acknowledge({0, 9}, {1}), ErrorCode::none);
    EXPECT_EQ(bench.partition.start_offset(), 10);
}

TEST(SharePartitionTest, GivesOutAgainWhatWasHeldForTooLong) {
    Bench bench;
    bench.acquire({{0, 9}}, 10);
    bench.now = start + Duration::seconds(20);
    EXPECT_EQ(bench.acknowledge({0, 3}, {4}), ErrorCode::none);  // renewed
    bench.now = start + Duration::seconds(30);
    EXPECT_EQ(bench.partition.wake_at(), bench.now);
    EXPECT_EQ(bench.partition.expire(limits, bench.now).batches,
              (Batches{{4, 9, RecordState::available, 1}}));
    EXPECT_EQ(bench.partition.wake_at(), start + Duration::seconds(50));
    EXPECT_EQ(bench.acquire({{0, 9}}, 10, AcquireMode::batch_optimized, 10, "b"),
              (Acquired{{4, 9, 2}}));
}

TEST(SharePartitionTest, GivesOutFewerAtATimeTheOftenerTheyCameBack) {
    Bench bench;
    std::vector<std::int64_t> sizes;
    for (int delivery = 1; delivery <= 4; ++delivery) {
        for (Offset next = 0; next < 16;) {
            Acquired acquired = bench.acquire({{0, 15}}, 100);
            ASSERT_EQ(acquired.size(), 1U);
            ASSERT_EQ(acquired[0].delivery_count, delivery);
            next = acquired[0].last + 1;
            if (acquired[0].first == 0) sizes.push_back(next);
        }
        SharePartition::Change change = bench.partition.release("a", limits);
        bench.partition.settle(change.id, true, limits, bench.now);
    }
    EXPECT_EQ(bench.acquire({{0, 15}}, 100), (Acquired{{0, 0, 5}}));
    EXPECT_EQ(sizes, (std::vector<std::int64_t>{16, 16, 16, 8}));
    SharePartition::Change change = bench.partition.release("a", limits);
    EXPECT_EQ(change.batches, (Batches{{0, 0, RecordState::archived, 5}}));
    bench.partition.settle(change.id, true, limits, bench.now);
    EXPECT_EQ(bench.partition.start_offset(), 1);
}

TEST(SharePartitionTest, DeliversWhatNobodyWroteAgain) {
    Bench bench(5, {{5, 6, RecordState::acknowledged, 1}, {9, 9, RecordState::available, 3}});
    EXPECT_EQ(bench.partition.start_offset(), 7);
    EXPECT_EQ(bench.partition.fetch_offset(limits), 7);
    EXPECT_EQ(bench.acquire({{0, 12}}, 100), (Acquired{{7, 8, 1}}))
        << "the one that came back often goes by itself";
    EXPECT_EQ(bench.acquire({{0, 12}}, 100), (Acquired{{9, 9, 4}}));
    EXPECT_EQ(bench.acquire({{0, 12}}, 100), (Acquired{{10, 12, 1}}));
    EXPECT_FALSE(SharePartition::restore(7, {{5, 6, RecordState::available, 1}}));
    EXPECT_FALSE(SharePartition::restore(-1, {}));
}

TEST(SharePartitionTest, PassesOverWhatTheLogHasNot) {
    Bench bench;
    bench.acquire({{0, 4}}, 100);
    EXPECT_EQ(bench.acquire({{8, 9}}, 100), (Acquired{{8, 9, 1}}));
    EXPECT_EQ(bench.partition.delivery_complete_count(), 3);
    EXPECT_EQ(bench.acknowledge({0, 4}, {1}), ErrorCode::none);
    EXPECT_EQ(bench.partition.start_offset(), 8);
    bench.partition.move_start(20);
    EXPECT_EQ(bench.partition.start_offset(), 20);
    EXPECT_EQ(bench.partition.end_offset(), 20);
    EXPECT_EQ(bench.acknowledge({8, 9}, {1}), ErrorCode::none);
}

TEST(SharePartitionTest, HidesAbortedRecords) {
    Bench bench;
    Acquired acquired = bench.partition.acquire({.member_id = "a",
                                                 .batch_size = 100,
                                                 .max_records = 100,
                                                 .fetch_offset = 0,
                                                 .batches = {{0, 2}, {3, 5}, {6, 9}},
                                                 .aborted = {{3, 5}}},
                                                limits, start);
    EXPECT_EQ(acquired, (Acquired{{0, 2, 1}, {6, 9, 1}}));
    EXPECT_EQ(bench.partition.delivery_complete_count(), 3);
}

}  // namespace
}  // namespace millrace::share
