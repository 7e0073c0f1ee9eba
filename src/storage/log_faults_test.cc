// Logs on a simulated disk that fails or is full: the first failed write or sync closes the log and
// its directory for good, and what was written stays readable.

#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <memory>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;
using env::sim::Disk;

constexpr AppendAs as_client{.origin = AppendOrigin::client, .leader_epoch = 0};

LogOrigin origin_at(std::string path) {
    LogOrigin origin{.path = std::move(path)};
    origin.options.segment_index_bytes = 1200;
    // Test records bear timestamps of 1970.
    origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    return origin;
}

class LogFaults : public testing::Test {
  protected:
    LogFaults() : world_(7), node_(world_.add_node("node")), disk_(node_.disk()) {
        EXPECT_TRUE(disk_.make_directories("/d"));
        EXPECT_TRUE(disk_.sync_directory("/"));
    }

    void run(std::function<Task<void>(Shard&)> body) {
        auto main = [&](Shard& here) -> Task<int> {
            co_await body(here);
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }
    // Appends a batch and waits until it is written.
    static Task<Result<>> append(Log& log) {
        auto appended = log.append_as_leader(make_batch({.value_size = 500}), as_client);
        if (!appended) co_return fail(std::move(appended).error());
        co_return co_await log.written(appended->next_offset);
    }
    // That it takes nothing any more, and has `count` batches of one record.
    static Task<void> expect_closed_for_good(Log& log, Offset count) {
        EXPECT_TRUE(log.failed());
        for (int i = 0; i < 3; ++i) {
            Result<> more = co_await append(log);
            EXPECT_EQ(more.error().code, ErrorCode::kafka_storage_error);
        }
        EXPECT_EQ(log.end_offset(), count);
        for (Offset at = 0; at < count; ++at) {
            auto bytes = log.load({.offset = at, .max_bytes = 1, .upper_bound = count});
            EXPECT_TRUE(bytes && !bytes->empty());
            if (bytes && !bytes->empty()) EXPECT_EQ(BatchView::trusted(*bytes).base_offset(), at);
        }
    }

    env::sim::World world_;
    env::sim::Node& node_;
    Disk& disk_;
    DirectoryHealth health_;
};

TEST_F(LogFaults, AFailedWriteClosesEveryLogOfTheDirectory) {
    run([&](Shard& here) -> Task<void> {
        auto log = co_await Log::open(here, health_, origin_at("/d/t-0"));
        auto other = co_await Log::open(here, health_, origin_at("/d/t-1"));
        EXPECT_TRUE(log && other);
        EXPECT_TRUE(co_await append(**log));
        EXPECT_TRUE(co_await append(**other));
        disk_.fail_next(Disk::Fault::write, "t-0/");
        Result<> failed = co_await append(**log);
        EXPECT_TRUE(!failed && failed.error().message.contains("Input/output error"));
        co_await expect_closed_for_good(**log, 1);
        EXPECT_EQ(health_.failure()->message, failed.error().message);
        Result<> beside = co_await append(**other);
        EXPECT_EQ(beside.error().code, ErrorCode::kafka_storage_error);
        EXPECT_FALSE((*other)->failed());
        EXPECT_FALSE(co_await (*log)->close());
    });
}

TEST_F(LogFaults, AFailedSyncIsNotTriedAgain) {
    run([&](Shard& here) -> Task<void> {
        auto log = co_await Log::open(here, health_, origin_at("/d/t-0"));
        EXPECT_TRUE(log);
        EXPECT_TRUE(co_await append(**log));
        EXPECT_TRUE(co_await (*log)->durable(1));
        EXPECT_TRUE(co_await append(**log));
        disk_.fail_next(Disk::Fault::sync, ".log");
        EXPECT_FALSE(co_await (*log)->durable(2));
        // The kernel would say yes the next time, and may have dropped the pages.
        EXPECT_FALSE(co_await (*log)->durable(2));
        EXPECT_TRUE(co_await (*log)->durable(1));
        EXPECT_EQ((*log)->flushed_end_offset(), 1);
        co_await expect_closed_for_good(**log, 2);
    });
}

TEST_F(LogFaults, AFullDiskClosesTheLogAndItOpensAgainWithRoom) {
    Offset kept = 0;
    disk_.conditions.capacity = 20'000;
    run([&](Shard& here) -> Task<void> {
        auto log = co_await Log::open(here, health_, origin_at("/d/t-0"));
        EXPECT_TRUE(log);
        Result<> result;
        while (result) {
            result = co_await append(**log);
            if (result) kept = (*log)->end_offset();
        }
        EXPECT_TRUE(result.error().message.contains("No space left on device"));
        EXPECT_GT(kept, 10);
        co_await expect_closed_for_good(**log, kept);
    });
    disk_.conditions.capacity = 1 << 20;
    run([&](Shard& here) -> Task<void> {
        DirectoryHealth health;
        auto log = co_await Log::open(here, health, origin_at("/d/t-0"));
        EXPECT_TRUE(log);
        EXPECT_EQ((*log)->end_offset(), kept);  // the part of a batch is gone
        EXPECT_TRUE(co_await append(**log));
        EXPECT_TRUE(co_await (*log)->durable(kept + 1));
        EXPECT_TRUE(co_await (*log)->close());
    });
}

TEST_F(LogFaults, RotIsFoundByRecoveryAndCutOff) {
    run([&](Shard& here) -> Task<void> {
        auto log = co_await Log::open(here, health_, origin_at("/d/t-0"));
        EXPECT_TRUE(log);
        for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await append(**log));
        EXPECT_TRUE(co_await (*log)->durable(10));
        co_await (*log)->abandon();
    });
    std::uint64_t size = make_batch({.value_size = 500}).size();
    disk_.rot("/d/t-0/00000000000000000000.log", size * 6 + 200, 3);
    run([&](Shard& here) -> Task<void> {
        auto log = co_await Log::open(here, health_, origin_at("/d/t-0"));
        EXPECT_TRUE(log);
        EXPECT_EQ((*log)->end_offset(), 6);
        EXPECT_TRUE(co_await append(**log));
        EXPECT_TRUE(co_await (*log)->close());
    });
}

// A complete segment that holds what is waited for, behind which the active one is empty.
TEST_F(LogFaults, WhatLiesBeforeAnEmptySegmentBecomesDurable) {
    run([&](Shard& here) -> Task<void> {
        auto log = co_await Log::open(here, health_, origin_at("/d/t-0"));
        EXPECT_TRUE(log);
        EXPECT_TRUE(co_await append(**log));
        EXPECT_TRUE((*log)->roll());
        EXPECT_TRUE(co_await (*log)->durable(1));
        EXPECT_TRUE(disk_.everything_durable("/d/t-0/00000000000000000000.log"));
        EXPECT_TRUE(co_await (*log)->close());
    });
}

}  // namespace
}  // namespace millrace::storage
