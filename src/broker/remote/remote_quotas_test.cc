// How fast copies and reads may be: waits, in the simulator's time.

#include "broker/remote/remote_quotas.h"

#include <gtest/gtest.h>
#include <limits>

#include "broker/remote/remote_services.h"
#include "broker/remote/tiered_bench_for_tests.h"

namespace millrace::broker {
namespace {

class RemoteQuotasTest : public TieredBenchTest {};

constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max();

TEST_F(RemoteQuotasTest, CopiesWaitUntilTheirTurn) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        Time began = bench.shard.now();
        for (int i = 0; i < 100; ++i) co_await bench.quotas.copy(bench.shard, unbounded, 1 << 30);
        EXPECT_EQ(bench.shard.now(), began);
        for (int i = 0; i < 50; ++i) co_await bench.quotas.copy(bench.shard, 1'000, 1'000);
        std::int64_t took = (bench.shard.now() - began).ms();
        EXPECT_GT(took, 30'000);
        EXPECT_LT(took, 60'000);
    });
}

TEST_F(RemoteQuotasTest, ReadsPayForWhatTheyGot) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        Time began = bench.shard.now();
        co_await bench.quotas.fetch(bench.shard, 1'000);
        EXPECT_EQ(bench.shard.now(), began);
        co_await bench.quotas.fetched(bench.shard, 1'000, 50'000);
        co_await bench.quotas.fetch(bench.shard, unbounded);
        EXPECT_EQ(bench.shard.now(), began) << "the bound was taken away";
        co_await bench.quotas.fetch(bench.shard, 1'000);
        EXPECT_GT((bench.shard.now() - began).ms(), 5'000);
    });
}

TEST_F(RemoteQuotasTest, WorkIsBoundedAndGoesOnInOrder) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        WorkSlots slots;
        std::vector<int> order;
        std::size_t most = 0;
        co_await with_scope([&](Scope& scope) -> Task<void> {
            auto work = [&](int number) -> Task<void> {
                WorkSlots::Slot slot = co_await slots.take(2);
                order.push_back(number);
                most = std::max(most, slots.used());
                co_await bench.pass(10);
            };
            for (int i = 0; i < 6; ++i) scope.spawn(work(i));
            co_await bench.pass(1);
            EXPECT_EQ(slots.used(), 2U);
            EXPECT_EQ(slots.waiting(), 4U);
            // Who gives up waiting takes no slot with him.
            Scope given_up(bench.shard);
            given_up.spawn(work(100));
            co_await bench.pass(1);
            EXPECT_EQ(slots.waiting(), 5U);
            co_await given_up.close();
            EXPECT_EQ(slots.waiting(), 4U);
            co_await scope.join();
        });
        EXPECT_EQ(most, 2U);
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
        EXPECT_EQ(slots.used(), 0U);
    });
}

}  // namespace
}  // namespace millrace::broker
