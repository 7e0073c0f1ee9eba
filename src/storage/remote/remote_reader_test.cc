#include "storage/remote/remote_reader.h"

#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <limits>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/remote/directory_store.h"
#include "storage/remote/object_store_for_tests.h"
#include "storage/test_batches.h"

namespace millrace::storage::remote {
namespace {

using env::Shard;

constexpr std::string_view log_path = "/data/t-0";

// A log of several segments, written by the log itself, and the same segments in a store.
class RemoteReaderTest : public testing::TestWithParam<std::uint64_t> {
  protected:
    RemoteReaderTest() : world_(GetParam()), random_(GetParam()), node_(world_.add_node("node")) {
        for (std::string_view path : {"/remote", "/data"}) {
            EXPECT_TRUE(node_.disk().make_directories(path));
        }
    }

    using Body = std::function<Task<void>(Log&, RemoteReader&, IndexCache&)>;
    void run(Body body) {
        auto main = [&](Shard& shard) -> Task<int> {
            DirectoryHealth health;
            LogOrigin origin{.path = std::string(log_path)};
            origin.options.segment_bytes = static_cast<std::int32_t>(random_.between(4'000, 8'000));
            origin.options.index_interval_bytes =
                static_cast<std::int32_t>(random_.between(1, 900));
            origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
            auto log = co_await Log::open(shard, health, origin);
            EXPECT_TRUE(log) << log.error().message;
            fill(**log);
            EXPECT_TRUE((*log)->roll());
            (*log)->write_queued();
            EXPECT_TRUE(co_await (*log)->durable((*log)->end_offset()));
            auto store = DirectoryStore::open(shard.disk(), "/remote", 1);
            EXPECT_TRUE(store);
            store_ = store->get();
            copy_all(shard.disk(), (*log)->end_offset());
            EXPECT_GT(segments_.size(), 3U);
            IndexCache cache(shard, **store, {.directory = "/data/cache", .most_bytes = 1 << 20});
            EXPECT_TRUE(co_await cache.open());
            RemoteReader reader(shard, **store, cache);
            co_await body(**log, reader, cache);
            co_await (*log)->abandon();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }

    // Batches of many sizes, times that go up and down, transactions that end either way.
    void fill(Log& log) {
        std::int32_t sequences[3] = {0, 0, 0};
        for (int i = 0; i < 120; ++i) {
            auto producer = static_cast<std::int64_t>(random_.below(3));
            TestBatch test{.records = static_cast<int>(random_.between(1, 9)),
                           .value_size = random_.below(random_.chance(0.1) ? 400 : 60),
                           .timestamp = 1'000 + i * 10 + random_.between(-100, 100)};
            bool transactional = random_.chance(0.5);
            if (transactional) {
                test.producer_id = producer;
                test.transactional = true;
                test.sequence = sequences[producer];
                sequences[producer] += test.records;
            }
            EXPECT_TRUE(log.append_as_leader(make_batch(test), {}));
            if (transactional && random_.chance(0.5)) {
                auto type = random_.chance(0.6) ? ControlType::abort : ControlType::commit;
                EXPECT_TRUE(log.append_as_leader(make_marker(type, producer),
                                                 {.origin = AppendOrigin::coordinator}));
            }
            if (random_.chance(0.3)) log.write_queued();
        }
    }

    void copy_all(env::Disk& disk, Offset end) {
        auto files = disk.list(log_path);
        ASSERT_TRUE(files);
        std::vector<Offset> bases;
        for (const env::DirectoryEntry& file : *files) {
            if (is_segment_file(file.name, storage::log_suffix)) {
                bases.push_back(*offset_of_file(file.name));
            }
        }
        for (std::size_t i = 0; i < bases.size(); ++i) {
            Offset next = i + 1 < bases.size() ? bases[i + 1] : end;
            if (next > bases[i]) copy_one(disk, bases[i], next - 1);
        }
    }

    void copy_one(env::Disk& disk, Offset base, Offset last) {
        auto source = [&](std::string_view suffix) {
            std::string path = segment_path(log_path, base, suffix);
            auto content = disk.exists(path) ? env::read_file(disk, path) : std::string();
            EXPECT_TRUE(content);
            return MemorySource(Slice::copy(*content));
        };
        MemorySource log = source(storage::log_suffix);
        MemorySource offsets = source(index_suffix);
        MemorySource times = source(time_index_suffix);
        MemorySource transactions = source(transaction_index_suffix);
        RemoteLogSegment segment{.topic = "t",
                                 .topic_id = Uuid{1, 2},
                                 .id = Uuid::random(random_),
                                 .start_offset = base,
                                 .end_offset = last,
                                 .size = log.size()};
        SegmentFiles files{.log = &log, .indexes = {&offsets, &times, &transactions}};
        ASSERT_TRUE(copy_segment(*store_, segment, files));
        segments_.push_back(segment);
    }

    env::sim::World world_;
    Random random_;
    env::sim::Node& node_;
    DirectoryStore* store_ = nullptr;
    std::vector<RemoteLogSegment> segments_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, RemoteReaderTest, testing::Range<std::uint64_t>(1, 5));

TEST_P(RemoteReaderTest, ReadsAsTheLogDoes) {
    run([&](Log& log, RemoteReader& reader, IndexCache& cache) -> Task<void> {
        for (const RemoteLogSegment& segment : segments_) {
            for (Offset offset = segment.start_offset; offset <= segment.end_offset; ++offset) {
                std::uint64_t most = random_.below(3'000);
                auto wanted = log.load(
                    {.offset = offset, .max_bytes = most, .upper_bound = segment.end_offset + 1});
                auto got = co_await reader.read(
                    segment, {.offset = offset, .max_bytes = most, .whole_first_batch = true});
                EXPECT_TRUE(wanted && got) << got.error().message;
                if (!wanted || !got) co_return;
                EXPECT_TRUE(got->records.view() == wanted->view()) << "offset " << offset;

                auto bounded = co_await reader.read(segment, {.offset = offset, .max_bytes = most});
                EXPECT_TRUE(bounded);
                bool fits = got->first_batch_size <= most;
                if (bounded) {
                    EXPECT_EQ(bounded->records.size(), fits ? got->records.size() : 0U);
                    EXPECT_EQ(bounded->first_batch_size, got->first_batch_size);
                }
            }
            auto behind =
                co_await reader.read(segment, {.offset = segment.end_offset + 1, .max_bytes = 100});
            EXPECT_TRUE(behind);
            if (behind) EXPECT_EQ(behind->first_batch_size, 0U);
        }
        EXPECT_EQ(cache.fetches(), segments_.size());
    });
}

TEST_P(RemoteReaderTest, AbortedTransactionsAreThoseOfTheLog) {
    run([&](Log& log, RemoteReader& reader, IndexCache&) -> Task<void> {
        std::size_t found = 0;
        for (std::size_t i = 0; i < segments_.size(); ++i) {
            for (int n = 0; n < 20; ++n) {
                Offset offset = random_.between(segments_[i].start_offset, segments_[i].end_offset);
                std::uint64_t most = random_.below(5'000);
                auto read = co_await reader.read(
                    segments_[i], {.offset = offset, .max_bytes = most, .whole_first_batch = true});
                EXPECT_TRUE(read) << read.error().message;
                if (!read) co_return;
                auto first = BatchView::parse(read->records);
                EXPECT_TRUE(first);
                most = std::max(most, read->first_batch_size);
                auto told = co_await reader.aborted_before(segments_[i], first->base_offset(),
                                                           read->position + most);
                EXPECT_TRUE(told);
                if (!told) co_return;
                AbortedInRange aborted = told->in_segment;
                for (std::size_t j = i + 1; j < segments_.size() && !aborted.complete; ++j) {
                    auto more =
                        co_await reader.aborted(segments_[j], first->base_offset(), told->bound);
                    EXPECT_TRUE(more);
                    if (!more) co_return;
                    aborted.complete = more->complete;
                    std::ranges::copy(more->transactions, std::back_inserter(aborted.transactions));
                }
                auto here = log.read({.offset = offset,
                                      .max_bytes = most,
                                      .whole_first_batch = true,
                                      .upper_bound = segments_[i].end_offset + 1});
                EXPECT_TRUE(here);
                if (!here) co_return;
                EXPECT_EQ(told->bound, log.upper_bound_of(*here).value());
                auto wanted = log.aborted_transactions(first->base_offset(), told->bound);
                EXPECT_TRUE(wanted);
                EXPECT_EQ(aborted.transactions, *wanted);
                found += aborted.transactions.size();
            }
        }
        EXPECT_GT(found, 0U);
    });
}

TEST_P(RemoteReaderTest, FindsTimestampsAsTheLogDoes) {
    run([&](Log& log, RemoteReader& reader, IndexCache&) -> Task<void> {
        for (Timestamp timestamp = 850; timestamp < 2'500; timestamp += random_.between(1, 40)) {
            auto wanted = co_await log.find_by_timestamp(timestamp);
            EXPECT_TRUE(wanted);
            std::optional<TimestampedOffset> got;
            for (const RemoteLogSegment& segment : segments_) {
                auto found = co_await reader.find_timestamp(segment, timestamp, 0);
                EXPECT_TRUE(found) << found.error().message;
                if (found) got = *found;
                if (got) break;
            }
            EXPECT_EQ(got, *wanted) << "timestamp " << timestamp;
        }
        const RemoteLogSegment& segment = segments_[1];
        for (Offset start = segment.start_offset; start <= segment.end_offset; ++start) {
            auto found = co_await reader.find_timestamp(segment, 0, start);
            EXPECT_TRUE(found && *found);
            if (found && *found) EXPECT_EQ((*found)->offset, start);
        }
    });
}

// Bits of the log flip in the store: what comes is right, or an error that names the object.
TEST_P(RemoteReaderTest, RottenBatchesAreNotServed) {
    run([&](Log& log, RemoteReader& reader, IndexCache&) -> Task<void> {
        const RemoteLogSegment& segment = segments_[1];
        std::string whole = text_of(*store_, log_key(segment));
        int refused = 0;
        for (int i = 0; i < 200; ++i) {
            std::string bad = whole;
            std::size_t byte = random_.below(bad.size());
            bad[byte] = static_cast<char>(bad[byte] ^ (1 << random_.below(8)));
            EXPECT_TRUE(put_text(*store_, log_key(segment), bad));
            Offset offset = random_.between(segment.start_offset, segment.end_offset);
            auto got = co_await reader.read(
                segment, {.offset = offset, .max_bytes = 2'000, .whole_first_batch = true});
            if (!got) {
                ++refused;
                EXPECT_EQ(got.error().code, ErrorCode::corrupt_message);
                EXPECT_TRUE(got.error().message.contains(log_key(segment)));
                continue;
            }
            auto wanted = log.load(
                {.offset = offset, .max_bytes = 2'000, .upper_bound = segment.end_offset + 1});
            EXPECT_TRUE(wanted);
            // A batch whose length is wrong ends the answer before it; the next read finds it.
            EXPECT_FALSE(got->records.empty());
            EXPECT_LE(got->records.size(), wanted->size());
            // Base offset and leader epoch are outside the CRC.
            std::string_view right = wanted->view().substr(0, got->records.size());
            int differing = 0;
            for (std::size_t at = 0; at < right.size(); ++at) {
                differing += got->records.view()[at] == right[at] ? 0 : 1;
            }
            EXPECT_LE(differing, 1);
        }
        EXPECT_GT(refused, 0);
    });
}

TEST_P(RemoteReaderTest, RottenIndexesAreFetchedAnew) {
    run([&](Log& log, RemoteReader& reader, IndexCache& cache) -> Task<void> {
        const RemoteLogSegment& segment = segments_[2];
        std::string path =
            fmt::format("/data/cache/{}_{}.index", segment.start_offset, segment.id.to_string());
        for (int i = 0; i < 60; ++i) {
            Offset offset = random_.between(segment.start_offset, segment.end_offset);
            auto got = co_await reader.read(
                segment, {.offset = offset, .max_bytes = 1'000, .whole_first_batch = true});
            auto wanted = log.load(
                {.offset = offset, .max_bytes = 1'000, .upper_bound = segment.end_offset + 1});
            EXPECT_TRUE(got) << got.error().message;
            EXPECT_TRUE(wanted);
            if (!got || !wanted) co_return;
            EXPECT_TRUE(got->records.view() == wanted->view()) << "offset " << offset;
            auto content = env::read_file(node_.disk(), path);
            EXPECT_TRUE(content);
            if (!content || content->empty()) co_return;
            node_.disk().rot(path, random_.below(content->size()),
                             static_cast<unsigned>(random_.below(8)));
        }
        // The last entry points far behind the end.
        cache.forget(segment.id);
        EXPECT_TRUE(co_await reader.read(segment, {.offset = segment.end_offset}));
        auto content = env::read_file(node_.disk(), path);
        EXPECT_TRUE(content);
        node_.disk().rot(path, content->size() - 4, 6);
        std::uint64_t before = cache.fetches();
        auto got =
            co_await reader.read(segment, {.offset = segment.end_offset, .max_bytes = 9'000});
        EXPECT_TRUE(got) << got.error().message;
        if (got) EXPECT_EQ(got->next_offset, segment.end_offset + 1);
        EXPECT_EQ(cache.fetches(), before + 1);
    });
}

TEST_P(RemoteReaderTest, WhatIsGoneIsNamed) {
    run([&](Log&, RemoteReader& reader, IndexCache& cache) -> Task<void> {
        const RemoteLogSegment& segment = segments_[0];
        RemoteReadRequest request{.offset = segment.start_offset, .max_bytes = 1'000};
        EXPECT_TRUE(co_await reader.read(segment, request));
        EXPECT_TRUE(remove_segment(*store_, segment));
        auto got = co_await reader.read(segment, request);
        EXPECT_EQ(got.error().code, ErrorCode::resource_not_found);
        EXPECT_TRUE(got.error().message.contains(log_key(segment)));
        cache.forget(segment.id);
        got = co_await reader.read(segment, request);
        EXPECT_EQ(got.error().code, ErrorCode::resource_not_found);
        EXPECT_TRUE(got.error().message.contains(indexes_key(segment)));
        // Cut short in the store.
        std::string whole = text_of(*store_, log_key(segments_[1]));
        EXPECT_TRUE(put_text(*store_, log_key(segments_[1]), whole.substr(0, whole.size() / 2)));
        got = co_await reader.read(segments_[1],
                                   {.offset = segments_[1].end_offset, .max_bytes = 1'000});
        EXPECT_EQ(got.error().code, ErrorCode::corrupt_message);
    });
}

}  // namespace
}  // namespace millrace::storage::remote
