#include "storage/remote/index_cache.h"

#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/random.h"
#include "base/scope.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/remote/directory_store.h"
#include "storage/remote/faulty_store_for_tests.h"
#include "storage/remote/object_store_for_tests.h"

namespace millrace::storage::remote {
namespace {

using env::Shard;

constexpr std::string_view cache_path = "/data/remote-log-index-cache";
constexpr std::uint64_t bytes_each = 80 + 120 + 34;

// A node with a cache, and a store with some segments on its disk.
class IndexCacheTest : public testing::TestWithParam<std::uint64_t> {
  protected:
    IndexCacheTest()
        : world_(GetParam(), {.shuffle_coroutines = GetParam() % 2 == 0}),
          random_(GetParam()),
          node_(world_.add_node("node")) {
        EXPECT_TRUE(node_.disk().make_directories("/remote"));
        EXPECT_TRUE(node_.disk().make_directories("/data"));
        EXPECT_TRUE(node_.disk().sync_directory("/"));
        auto opened = DirectoryStore::open(node_.disk(), "/remote", 1);
        EXPECT_TRUE(opened);
        store_ = *std::move(opened);
        faulty_ = std::make_unique<FaultyStore>(*store_, GetParam(), StoreFaults());
        for (int i = 0; i < 10; ++i) segments_.push_back(put_segment(i));
    }

    RemoteLogSegment put_segment(Offset start) {
        RemoteLogSegment segment{.topic = "t",
                                 .topic_id = Uuid{1, 2},
                                 .partition = 0,
                                 .id = Uuid::random(random_),
                                 .start_offset = start,
                                 .end_offset = start + 9};
        MemorySource log(Slice::copy("batches"));
        MemorySource offsets(Slice::copy(random_bytes(random_, 80)));
        MemorySource times(Slice::copy(random_bytes(random_, 120)));
        // One entry of version 0, far behind the segment's start.
        std::string entry(34, '\1');
        entry[0] = entry[1] = '\0';
        MemorySource transactions(Slice::copy(entry));
        SegmentFiles files{.log = &log, .indexes = {&offsets, &times, &transactions}};
        EXPECT_TRUE(copy_segment(*store_, segment, files));
        return segment;
    }

    void run(std::function<Task<void>(Shard&, IndexCache&)> body,
             IndexCacheOptions options = {.directory = std::string(cache_path),
                                          .most_bytes = 1 << 20}) {
        auto main = [&](Shard& shard) -> Task<int> {
            IndexCache cache(shard, *faulty_, options);
            auto opened = co_await cache.open();
            EXPECT_TRUE(opened) << opened.error().message;
            co_await body(shard, cache);
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }

    std::size_t files() {
        auto listed = node_.disk().list(cache_path);
        return listed ? listed->size() : 0;
    }

    Task<void> expect_cached(IndexCache& cache, const RemoteLogSegment& segment) {
        auto lease = co_await cache.acquire(segment);
        EXPECT_TRUE(lease) << lease.error().message;
        if (!lease) co_return;
        auto wanted = fetch_indexes(*store_, segment, IndexType::offset, IndexType::transaction);
        EXPECT_TRUE(wanted);
        if (!wanted) co_return;
        for (auto [type, suffix] : {std::pair{IndexType::offset, ".index"},
                                    {IndexType::timestamp, ".timeindex"},
                                    {IndexType::transaction, ".txnindex"}}) {
            std::string path = fmt::format("{}/{}_{}{}", cache_path, segment.start_offset,
                                           segment.id.to_string(), suffix);
            auto content = env::read_file(node_.disk(), path);
            EXPECT_TRUE(content) << content.error().message;
            EXPECT_TRUE(content == (*wanted)[static_cast<std::size_t>(type)].view());
        }
    }

    env::sim::World world_;
    Random random_;
    env::sim::Node& node_;
    std::unique_ptr<DirectoryStore> store_;
    std::unique_ptr<FaultyStore> faulty_;
    std::vector<RemoteLogSegment> segments_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, IndexCacheTest, testing::Range<std::uint64_t>(1, 5));

TEST_P(IndexCacheTest, FetchesOnceAndKeepsOverARestart) {
    run([&](Shard&, IndexCache& cache) -> Task<void> {
        for (int i = 0; i < 3; ++i) {
            for (const RemoteLogSegment& segment : segments_)
                co_await expect_cached(cache, segment);
        }
        EXPECT_EQ(cache.fetches(), 10U);
        EXPECT_EQ(cache.bytes(), 10 * bytes_each);
    });
    run([&](Shard&, IndexCache& cache) -> Task<void> {
        EXPECT_EQ(cache.count(), 10U);
        EXPECT_EQ(cache.bytes(), 10 * bytes_each);
        for (const RemoteLogSegment& segment : segments_) co_await expect_cached(cache, segment);
        EXPECT_EQ(cache.fetches(), 0U);
    });
}

TEST_P(IndexCacheTest, ThoseWhoAskTogetherShareAFetch) {
    run([&](Shard& shard, IndexCache& cache) -> Task<void> {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (int i = 0; i < 20; ++i) scope.spawn(expect_cached(cache, segments_[0]));
            co_await scope.join();
        });
        EXPECT_EQ(cache.fetches(), 1U);

        // And its failure.
        faulty_->set({.before = 1});
        int failures = 0;
        auto ask = [&]() -> Task<void> {
            auto lease = co_await cache.acquire(segments_[1]);
            if (!lease) ++failures;
        };
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (int i = 0; i < 20; ++i) scope.spawn(ask());
            co_await scope.join();
        });
        EXPECT_EQ(failures, 20);
        EXPECT_EQ(cache.fetches(), 2U);
        faulty_->set({});
        co_await expect_cached(cache, segments_[1]);
        EXPECT_EQ(cache.fetches(), 3U);
        co_await env::sleep_for(shard, Duration::milliseconds(1));
    });
}

TEST_P(IndexCacheTest, ACancelledFetchLeavesNobodyWaiting) {
    run([&](Shard& shard, IndexCache& cache) -> Task<void> {
        bool got = false;
        auto patient = [&]() -> Task<void> {
            co_await expect_cached(cache, segments_[0]);
            got = true;
        };
        co_await with_scope([&](Scope& scope) -> Task<void> {
            co_await with_scope([&](Scope& cancelled) -> Task<void> {
                cancelled.spawn(expect_cached(cache, segments_[0]));
                scope.spawn(patient());
                cancelled.cancel();
                co_await cancelled.join();
            });
            co_await scope.join();
        });
        EXPECT_TRUE(got);
        co_await env::sleep_for(shard, Duration::milliseconds(1));
    });
}

TEST_P(IndexCacheTest, TheLeastUsedGoWhenThereIsTooMuch) {
    IndexCacheOptions options{.directory = std::string(cache_path), .most_bytes = 3 * bytes_each};
    run(
        [&](Shard&, IndexCache& cache) -> Task<void> {
            for (int i : {0, 1, 2, 0, 3}) co_await expect_cached(cache, segments_[i]);
            EXPECT_EQ(cache.bytes(), 3 * bytes_each);
            EXPECT_EQ(files(), 9U);
            EXPECT_EQ(cache.fetches(), 4U);
            for (int i : {0, 2, 3}) co_await expect_cached(cache, segments_[i]);
            EXPECT_EQ(cache.fetches(), 4U);
            co_await expect_cached(cache, segments_[1]);
            EXPECT_EQ(cache.fetches(), 5U);

            cache.resize(bytes_each);
            co_await cache.sweep();
            EXPECT_EQ(files(), 3U);
            co_await expect_cached(cache, segments_[1]);
            EXPECT_EQ(cache.fetches(), 5U);

            // What is in use stays, however small the cache.
            cache.resize(0);
            {
                auto lease = co_await cache.acquire(segments_[5]);
                EXPECT_TRUE(lease);
                co_await cache.sweep();
                EXPECT_EQ(files(), 3U);
                if (lease) EXPECT_TRUE(lease->indexes().check());
            }
            co_await cache.sweep();
            EXPECT_EQ(files(), 0U);
            EXPECT_EQ(cache.bytes(), 0U);
        },
        options);
}

TEST_P(IndexCacheTest, WhatIsNotUsedGoesAfterATime) {
    IndexCacheOptions options{
        .directory = std::string(cache_path), .most_bytes = 1 << 20, .ttl = Duration::seconds(10)};
    run(
        [&](Shard& shard, IndexCache& cache) -> Task<void> {
            co_await expect_cached(cache, segments_[0]);
            co_await expect_cached(cache, segments_[1]);
            co_await env::sleep_for(shard, Duration::seconds(6));
            co_await expect_cached(cache, segments_[0]);
            co_await env::sleep_for(shard, Duration::seconds(6));
            co_await cache.sweep();
            EXPECT_EQ(cache.count(), 1U);
            co_await expect_cached(cache, segments_[0]);
            EXPECT_EQ(cache.fetches(), 2U);
        },
        options);
}

TEST_P(IndexCacheTest, ForgottenAndDistrustedOnesGo) {
    run([&](Shard&, IndexCache& cache) -> Task<void> {
        co_await expect_cached(cache, segments_[0]);
        cache.forget(segments_[0].id);
        cache.forget(segments_[1].id);
        co_await cache.sweep();
        EXPECT_EQ(files(), 0U);

        {
            auto lease = co_await cache.acquire(segments_[2]);
            EXPECT_TRUE(lease);
            if (lease) lease->distrust();
        }
        std::uint64_t before = cache.fetches();
        co_await expect_cached(cache, segments_[2]);
        EXPECT_EQ(cache.fetches(), before + 1);
    });
}

TEST_P(IndexCacheTest, HalfWrittenAndStrangeFilesGoAtTheStart) {
    ASSERT_TRUE(node_.disk().make_directories(cache_path));
    std::string id = segments_[0].id.to_string();
    for (std::string name :
         {"0_" + id + ".index", "0_" + id + ".timeindex.tmp", "5_" + id + ".index",
          "5_" + id + ".timeindex", "5_" + id + ".txnindex", std::string("x.deleted"),
          std::string("_.index")}) {
        ASSERT_TRUE(env::replace_file(node_.disk(), fmt::format("{}/{}", cache_path, name), "odd"));
    }
    run([&](Shard&, IndexCache& cache) -> Task<void> {
        EXPECT_EQ(cache.count(), 0U);
        EXPECT_EQ(files(), 0U);
        co_return;
    });
}

TEST_P(IndexCacheTest, WhatCannotBeWrittenIsNotKept) {
    using Fault = env::sim::Disk::Fault;
    run([&](Shard&, IndexCache& cache) -> Task<void> {
        int failures = 0;
        for (Fault fault : {Fault::open, Fault::write, Fault::sync, Fault::rename}) {
            for (int skip = 0; skip < 3; ++skip) {
                node_.disk().fail_next(fault, std::string(cache_path), "No space left on device",
                                       skip);
                bool failed = false;
                {
                    auto lease = co_await cache.acquire(segments_[0]);
                    failed = !lease;
                    if (failed) {
                        EXPECT_EQ(lease.error().code, ErrorCode::kafka_storage_error);
                        EXPECT_TRUE(lease.error().message.contains("No space left"));
                    }
                }
                failures += failed ? 1 : 0;
                co_await cache.sweep();
                if (failed) EXPECT_EQ(files(), 0U);
                co_await expect_cached(cache, segments_[0]);
                cache.forget(segments_[0].id);
                co_await cache.sweep();
            }
        }
        EXPECT_EQ(failures, 12);
    });
}

// Many at once, under faults of the store, a small cache, and segments that go.
TEST_P(IndexCacheTest, AnyOrderOfThings) {
    IndexCacheOptions options{.directory = std::string(cache_path), .most_bytes = 4 * bytes_each};
    faulty_->set({.before = 0.2});
    int got = 0;
    run(
        [&](Shard& shard, IndexCache& cache) -> Task<void> {
            auto ask = [&](std::uint64_t seed) -> Task<void> {
                Random random(seed);
                for (int i = 0; i < 20; ++i) {
                    const RemoteLogSegment& segment = segments_[random.below(10)];
                    if (random.chance(0.1)) cache.forget(segment.id);
                    auto lease = co_await cache.acquire(segment);
                    if (!lease) continue;
                    ++got;
                    co_await env::sleep_for(shard, Duration::microseconds(random.between(0, 900)));
                    Result<std::uint64_t> bytes = 0;
                    co_await env::lasting(shard, [&] { bytes = lease->indexes().check(); });
                    EXPECT_TRUE(bytes) << bytes.error().message;
                    if (random.chance(0.1)) lease->distrust();
                }
            };
            co_await with_scope([&](Scope& scope) -> Task<void> {
                for (std::uint64_t i = 0; i < 10; ++i) scope.spawn(ask(GetParam() * 100 + i));
                co_await scope.join();
            });
            co_await cache.sweep();
            EXPECT_LE(cache.bytes(), 4 * bytes_each);
            EXPECT_EQ(files(), 3 * cache.count());
        },
        options);
    EXPECT_GT(got, 50);
}

// Whenever the power goes, the next start finds whole indexes or none.
TEST_P(IndexCacheTest, APowerCutLeavesNothingHalf) {
    ASSERT_TRUE(log::set_level("storage", "error"));  // it tells of each file that stays
    for (std::uint64_t operations = 0; operations < 60; ++operations) {
        SCOPED_TRACE(testing::Message() << "cut after " << operations);
        node_.start([&](Shard& shard) -> Task<int> {
            IndexCache cache(shard, *faulty_,
                             {.directory = std::string(cache_path), .most_bytes = 3 * bytes_each});
            (void)co_await cache.open();
            for (int i = 0; i < 5; ++i) {
                (void)co_await cache.acquire(segments_[random_.below(segments_.size())]);
            }
            co_return 0;
        });
        node_.disk().cut_off_after(operations);
        world_.run_for(Duration::milliseconds(random_.between(0, 50)));
        world_.crash(node_);
        run([&](Shard&, IndexCache& cache) -> Task<void> {
            for (const RemoteLogSegment& segment : segments_)
                co_await expect_cached(cache, segment);
        });
    }
    ASSERT_TRUE(log::set_level("storage", "info"));
}

}  // namespace
}  // namespace millrace::storage::remote
