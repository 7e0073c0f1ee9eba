#include <functional>
#include <gtest/gtest.h>
#include <limits>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;

constexpr AppendAs at_once{.origin = AppendOrigin::coordinator, .leader_epoch = 0};
constexpr AppendAs lingering{
    .origin = AppendOrigin::coordinator, .leader_epoch = 0, .linger = Duration::milliseconds(50)};

void with_log(const std::function<Task<void>(Shard&, Log&)>& body) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    ASSERT_TRUE(node.disk().make_directories("/d"));
    auto main = [&](Shard& here) -> Task<int> {
        DirectoryHealth health;
        LogOrigin origin{.path = "/d/t-0"};
        // Test records bear timestamps of 1970.
        origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        auto log = co_await Log::open(here, health, std::move(origin));
        EXPECT_TRUE(log);
        if (!log) co_return 1;
        co_await body(here, **log);
        EXPECT_TRUE(co_await (*log)->close());
        co_return 0;
    };
    EXPECT_EQ(world.run(node, main), 0);
}

TEST(LogSync, WhatMayLingerIsWrittenTogetherWhenTheFirstHas) {
    with_log([](Shard& here, Log& log) -> Task<void> {
        Time began = here.now();
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 1}), lingering));
        co_await env::sleep_for(here, Duration::milliseconds(30));
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 1}), lingering));
        EXPECT_EQ(log.next_offset(), 2);
        EXPECT_EQ(log.end_offset(), 0);
        EXPECT_TRUE(co_await log.durable(1));
        EXPECT_EQ(log.end_offset(), 2);
        EXPECT_EQ(log.flushed_end_offset(), 2);
        EXPECT_EQ((here.now() - began).ms() / 10, 5);
    });
}

TEST(LogSync, WhatMayNotLingerTakesTheRestWithIt) {
    with_log([](Shard& here, Log& log) -> Task<void> {
        Time began = here.now();
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 1}), lingering));
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 1}), at_once));
        EXPECT_TRUE(co_await log.written(2));
        EXPECT_LT((here.now() - began).ms(), 50);
        // The next one's time is its own.
        co_await env::sleep_for(here, Duration::milliseconds(40));
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 1}), lingering));
        began = here.now();
        EXPECT_TRUE(co_await log.written(3));
        EXPECT_GE((here.now() - began).ms(), 50);
    });
}

TEST(LogSync, ClosingWritesWhatLingers) {
    with_log([](Shard& here, Log& log) -> Task<void> {
        EXPECT_TRUE(log.append_as_leader(make_batch({.records = 3}), lingering));
        EXPECT_TRUE(co_await log.close());
        EXPECT_EQ(log.flushed_end_offset(), 3);
        co_await env::sleep_for(here, Duration::milliseconds(100));
    });
}

}  // namespace
}  // namespace millrace::storage
