#include "broker/remote/read_ahead.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "storage/test_batches.h"

namespace millrace::broker {
namespace {

using storage::make_batch;
using storage::Offset;

// Batches of `records` records each, from `first` on.
RemoteBatches batches(Offset first, int count, int records = 1) {
    Buffer bytes;
    for (int i = 0; i < count; ++i) {
        bytes.append(make_batch({.records = records, .base_offset = first + i * records}).bytes());
    }
    return {.segment = {},
            .records = std::move(bytes).freeze(),
            .position = 1'000,
            .next = first + Offset{count} * records};
}
std::uint64_t batch_size() { return make_batch().size(); }

void complete(const ReadAhead::Chunk& chunk, int count) {
    chunk->result = batches(chunk->from, count);
}

TEST(RemoteCut, BeginsWithTheBatchThatHoldsTheOffset) {
    RemoteBatches all = batches(100, 10, 5);
    std::uint64_t size = all.records.size() / 10;
    RemoteCut cut = cut_for({.offset = 112, .max_bytes = 3 * size + 1}, all);
    EXPECT_EQ(cut.base, 110);
    EXPECT_EQ(cut.next, 125);
    EXPECT_EQ(cut.records.size(), 3 * size);
    EXPECT_EQ(cut.first_batch_size, size);
    EXPECT_EQ(cut.position, 1'000 + 2 * size);
    EXPECT_EQ(cut_for({.offset = 149, .max_bytes = 1 << 20}, all).next, 150);
    EXPECT_EQ(cut_for({.offset = 100, .max_bytes = 1 << 20}, all).records.size(), 10 * size);
}

TEST(RemoteCut, ALargeFirstBatchComesOnlyWhereItMay) {
    RemoteBatches all = batches(0, 3);
    RemoteCut cut = cut_for({.offset = 1, .max_bytes = 1}, all);
    EXPECT_TRUE(cut.records.empty());
    EXPECT_EQ(cut.first_batch_size, batch_size());
    EXPECT_EQ(cut.next, 1);
    cut = cut_for({.offset = 1, .max_bytes = 1, .whole_first_batch = true}, all);
    EXPECT_EQ(cut.records.size(), batch_size());
    EXPECT_EQ(cut.next, 2);
    EXPECT_TRUE(cut_for({.offset = 1}, {}).records.empty());
}

// Whatever a reader asks for: he gets each batch once, and never more bytes than he takes.
TEST(RemoteCut, AReaderGetsEachBatchOnce) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        Random random(seed);
        RemoteBatches all = batches(7, 40, 3);
        Offset at = 7;
        while (at < all.next) {
            RemoteReadRequest request{.offset = at + static_cast<Offset>(random.below(3)),
                                      .max_bytes = random.below(1'000),
                                      .whole_first_batch = true};
            RemoteCut cut = cut_for(request, all);
            EXPECT_EQ(cut.base, at);
            EXPECT_LE(cut.records.size(), std::max(request.max_bytes, cut.first_batch_size));
            ASSERT_GT(cut.next, at);
            at = cut.next;
        }
    }
}

TEST(ReadAhead, FindsWhatIsHereOrOnItsWay) {
    ReadAhead ahead;
    EXPECT_EQ(ahead.find(10), nullptr);
    auto chunk = ahead.add(10);
    EXPECT_EQ(ahead.find(10), chunk);
    EXPECT_EQ(ahead.find(11), nullptr) << "how far it goes is not known yet";
    complete(chunk, 5);
    EXPECT_EQ(ahead.find(14), chunk);
    EXPECT_EQ(ahead.find(15), nullptr);
    EXPECT_EQ(ahead.find(9), nullptr);
    ahead.drop(chunk);
    EXPECT_EQ(ahead.find(10), nullptr);
}

TEST(ReadAhead, FollowsWhoReadsOnWhereHeEnded) {
    ReadAhead ahead;
    EXPECT_EQ(ahead.window_at(0), 0U);
    ahead.passed(0, 10);
    EXPECT_EQ(ahead.window_at(10), ReadAhead::first_window);
    EXPECT_EQ(ahead.window_at(11), 0U);
    ahead.passed(10, 20);
    EXPECT_EQ(ahead.window_at(10), 0U) << "he is elsewhere";
    EXPECT_EQ(ahead.window_at(20), 2 * ReadAhead::first_window);
    for (Offset at = 20; at < 100; at += 10) ahead.passed(at, at + 10);
    EXPECT_EQ(ahead.window_at(100), ReadAhead::largest_window);
    // Another one who seeks; then more of them than are followed.
    ahead.passed(5, 6);
    EXPECT_EQ(ahead.window_at(100), ReadAhead::largest_window);
    for (Offset at = 1'000; at < 1'016; ++at) ahead.passed(at * 2, at * 2 + 1);
    EXPECT_EQ(ahead.window_at(100), 0U);
}

TEST(ReadAhead, TellsHowFarItReaches) {
    ReadAhead ahead;
    EXPECT_EQ(ahead.reach(3).end, 3);
    complete(ahead.add(0), 10);
    complete(ahead.add(10), 5);
    complete(ahead.add(20), 5);
    ReadAhead::Reach reach = ahead.reach(4);
    EXPECT_EQ(reach.end, 15);
    EXPECT_EQ(reach.bytes, 11 * batch_size());
    EXPECT_FALSE(reach.goes_on);
    auto coming = ahead.add(15);
    EXPECT_TRUE(ahead.reach(4).goes_on);
    coming->result = fail(ErrorCode::kafka_storage_error, "gone");
    EXPECT_FALSE(ahead.reach(4).goes_on);
    EXPECT_EQ(ahead.reach(4).end, 15);
}

TEST(ReadAhead, KeepsNothingThatNobodyWants) {
    ReadAhead ahead;
    ByteBudget budget;
    for (Offset at : {0, 10, 20}) complete(ahead.add(at), 5);
    auto paid = ahead.add(30, budget.take(1, 100, 1000));
    complete(paid, 5);
    auto wanted = ahead.add(40);
    wanted->waiting = 1;
    ahead.keep_unclaimed(1);
    EXPECT_EQ(ahead.find(0), nullptr);
    EXPECT_EQ(ahead.find(10), nullptr);
    EXPECT_NE(ahead.find(20), nullptr);
    EXPECT_EQ(ahead.count(), 3U);
    ahead.sweep();
    EXPECT_EQ(ahead.count(), 3U) << "it was used since the last time";
    EXPECT_NE(ahead.find(20), nullptr);
    paid.reset();
    ahead.sweep();
    EXPECT_EQ(ahead.count(), 2U);
    EXPECT_EQ(budget.used(), 0U);
    ahead.sweep();
    EXPECT_EQ(ahead.count(), 1U) << "somebody waits";
}

TEST(ByteBudget, LendsNoMoreThanThereIs) {
    ByteBudget budget;
    auto first = budget.take(10, 60, 100);
    EXPECT_EQ(first.bytes(), 60U);
    {
        auto second = budget.take(10, 60, 100);
        EXPECT_EQ(second.bytes(), 40U);
        EXPECT_EQ(budget.take(10, 60, 100).bytes(), 0U);
        EXPECT_EQ(budget.used(), 100U);
        second.shrink_to(5);
        EXPECT_EQ(budget.used(), 65U);
        second.shrink_to(50);
        EXPECT_EQ(second.bytes(), 5U) << "it does not grow";
    }
    EXPECT_EQ(budget.used(), 60U);
    EXPECT_EQ(budget.take(50, 60, 100).bytes(), 0U) << "less than is of use";
    EXPECT_EQ(budget.take(1, 60, 20).bytes(), 0U) << "the bound was lowered";
    EXPECT_EQ(budget.take(0, 0, 100).bytes(), 0U);
}

}  // namespace
}  // namespace millrace::broker
