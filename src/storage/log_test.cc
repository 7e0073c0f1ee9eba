#include "storage/log.h"

#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <optional>
#include <unistd.h>

#include "base/scope.h"
#include "env/disk.h"
#include "env/posix/world.h"
#include "storage/directory_health.h"
#include "storage/test_batches.h"
#include "storage/transaction_index.h"

namespace millrace::storage {
namespace {

constexpr AppendAs as_client{.origin = AppendOrigin::client, .leader_epoch = 0};
constexpr AppendAs as_coordinator{.origin = AppendOrigin::coordinator, .leader_epoch = 0};

class LogTest : public testing::Test {
  protected:
    LogTest() {
        std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        std::filesystem::path root = std::filesystem::exists("/dev/shm")
                                         ? "/dev/shm"
                                         : std::filesystem::temp_directory_path();
        directory_ = root / ("millrace-log-" + std::to_string(::getpid()) + "-" + name);
        std::filesystem::create_directories(directory_);
        origin_.path = directory_ / "t-0";
        // Test records bear timestamps of 1970.
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    }
    ~LogTest() override { std::filesystem::remove_all(directory_); }

    // Runs `body` on a log that is opened before and abandoned after it.
    void with_log(std::function<Task<void>(Log&)> body, bool clean = false) {
        env::posix::World world({.shards = 1});
        world.run([&](env::Shard& shard) -> Task<int> {
            shard_ = &shard;
            DirectoryHealth health;
            LogOrigin origin = origin_;
            origin.clean_shutdown = clean_;
            auto log = co_await Log::open(shard, health, origin);
            EXPECT_TRUE(log) << log.error().message;
            if (log) {
                co_await body(**log);
                if (clean) {
                    auto closed = co_await (*log)->close();
                    EXPECT_TRUE(closed);
                } else {
                    (*log)->write_queued();
                    co_await (*log)->abandon();
                }
                clean_ = clean;
            }
            co_return 0;
        });
    }
    bool has(const std::string& name) const {
        return std::filesystem::exists(std::filesystem::path(origin_.path) / name);
    }
    std::uintmax_t size_of(const std::string& name) const {
        return std::filesystem::file_size(std::filesystem::path(origin_.path) / name);
    }

    std::filesystem::path directory_;
    LogOrigin origin_;
    bool clean_ = false;
    env::Shard* shard_ = nullptr;
};

// Every batch's base offset from `offset` on, read in pieces of at least one batch.
std::vector<Offset> offsets_from(Log& log, Offset offset) {
    std::vector<Offset> found;
    while (offset < log.end_offset()) {
        auto bytes =
            log.load({.offset = offset, .max_bytes = 1000, .upper_bound = log.end_offset()});
        EXPECT_TRUE(bytes) << bytes.error().message;
        if (!bytes || bytes->empty()) return found;
        BatchReader reader(*bytes);
        while (auto batch = reader.next().value()) {
            EXPECT_TRUE(batch->verify_crc());
            found.push_back(batch->base_offset());
            offset = batch->next_offset();
        }
    }
    return found;
}

TEST_F(LogTest, AppendsOfOneTurnBecomeReadableTogether) {
    with_log([](Log& log) -> Task<void> {
        auto first = log.append_as_leader(make_batch({.records = 3}), as_client);
        auto second = log.append_as_leader(make_batch({.records = 2}), as_client);
        EXPECT_EQ(first->first_offset, 0);
        EXPECT_EQ(second->first_offset, 3);
        EXPECT_EQ(second->next_offset, 5);
        EXPECT_EQ(log.next_offset(), 5);
        EXPECT_EQ(log.end_offset(), 0);
        EXPECT_TRUE(co_await log.written(5));
        EXPECT_EQ(log.end_offset(), 5);
        EXPECT_EQ(log.flushed_end_offset(), 0);
        EXPECT_TRUE(co_await log.durable(5));
        EXPECT_EQ(log.flushed_end_offset(), 5);
        EXPECT_EQ(offsets_from(log, 0), (std::vector<Offset>{0, 3}));
        EXPECT_EQ(offsets_from(log, 4), (std::vector<Offset>{3}));
        EXPECT_EQ(log.epochs().latest(), (EpochStart{0, 0}));
    });
}

TEST_F(LogTest, ReadsWholeFirstBatchAndStopsAtTheBound) {
    with_log([](Log& log) -> Task<void> {
        std::vector<std::uint64_t> sizes;
        for (int i = 0; i < 4; ++i) {
            Slice batch = make_batch({.records = 2, .value_size = 100});
            sizes.push_back(batch.size());
            EXPECT_TRUE(log.append_as_leader(std::move(batch), as_client));
        }
        EXPECT_TRUE(co_await log.written(8));
        auto size_at = [&](ReadRequest request) {
            auto read = log.read(request);
            EXPECT_TRUE(read);
            return read->records.size();
        };
        std::uint64_t one = sizes[0];
        EXPECT_EQ(size_at({.offset = 0, .max_bytes = 10, .upper_bound = 8}), 0U);
        EXPECT_EQ(
            size_at({.offset = 0, .max_bytes = 10, .whole_first_batch = true, .upper_bound = 8}),
            one);
        EXPECT_EQ(size_at({.offset = 3, .max_bytes = one + 7, .upper_bound = 8}), one + 7);
        EXPECT_EQ(size_at({.offset = 0, .max_bytes = 1 << 20, .upper_bound = 4}), 2 * one);
        EXPECT_EQ(size_at({.offset = 4, .max_bytes = 1 << 20, .upper_bound = 4}), 0U);
        EXPECT_EQ(size_at({.offset = 8, .max_bytes = 1 << 20, .upper_bound = 8}), 0U);
        EXPECT_EQ(log.read({.offset = 9, .upper_bound = 9}).error().code,
                  ErrorCode::offset_out_of_range);
        auto fetched = co_await log.fetch({.offset = 2, .max_bytes = 1 << 20, .upper_bound = 8});
        EXPECT_EQ(fetched->records.size(), 3 * one);
        EXPECT_EQ(fetched->position, one);
    });
}

TEST_F(LogTest, RollsBySizeAndReadsAcrossSegments) {
    origin_.options.segment_bytes = 1000;
    with_log([&](Log& log) -> Task<void> {
        for (int i = 0; i < 40; ++i) {
            EXPECT_TRUE(log.append_as_leader(make_batch({.value_size = 100}), as_client));
        }
        EXPECT_TRUE(co_await log.durable(40));
        EXPECT_GT(log.segment_count(), 5U);
        EXPECT_EQ(offsets_from(log, 0).size(), 40U);
        EXPECT_EQ(offsets_from(log, 17).size(), 23U);
        EXPECT_EQ(log.flushed_end_offset(), 40);
    });
    EXPECT_TRUE(has("00000000000000000005.snapshot"));
    EXPECT_EQ(size_of("00000000000000000000.index"), 0U);
    EXPECT_EQ(size_of("00000000000000000000.timeindex"), 12U);
}

TEST_F(LogTest, IndexEntriesLieWhereApachePutsThem) {
    origin_.options.index_interval_bytes = 300;
    with_log(
        [](Log& log) -> Task<void> {
            std::size_t size = 0;
            for (int i = 0; i < 10; ++i) {
                Slice batch = make_batch({.value_size = 64, .timestamp = 100 + i});
                size = batch.size();
                EXPECT_TRUE(log.append_as_leader(std::move(batch), as_client));
            }
            EXPECT_TRUE(co_await log.written(10));
            EXPECT_GT(3 * size, 300U);
            EXPECT_LT(2 * size, 300U);
        },
        true);
    // An entry before each third batch behind the last one: offsets 3, 6, 9.
    EXPECT_EQ(size_of("00000000000000000000.index"), 3 * 8U);
    EXPECT_EQ(size_of("00000000000000000000.timeindex"), 3 * 12U);
}

TEST_F(LogTest, CleanEndIsFoundAgainWithProducersAndEpochs) {
    with_log(
        [](Log& log) -> Task<void> {
            EXPECT_TRUE(
                log.append_as_leader(make_batch({.records = 4, .producer_id = 7}), as_client));
            EXPECT_TRUE(log.append_as_leader(make_batch(), {.leader_epoch = 3}));
            co_await log.written(5);
        },
        true);
    EXPECT_TRUE(has("00000000000000000005.snapshot"));
    with_log([](Log& log) -> Task<void> {
        EXPECT_EQ(log.end_offset(), 5);
        EXPECT_EQ(log.flushed_end_offset(), 5);
        EXPECT_EQ(log.epochs().entries(), (std::vector<EpochStart>{{0, 0}, {3, 4}}));
        const Producer* producer = log.producers().find(7);
        EXPECT_NE(producer, nullptr);
        EXPECT_EQ(producer->last_sequence(), 3);
        auto again = log.append_as_leader(make_batch({.records = 4, .producer_id = 7}), as_client);
        EXPECT_TRUE(again->duplicate);
        EXPECT_EQ(again->first_offset, 0);
        EXPECT_EQ(again->next_offset, 4);
        co_return;
    });
}

TEST_F(LogTest, UncleanEndCutsTheTornTail) {
    with_log([](Log& log) -> Task<void> {
        for (int i = 0; i < 5; ++i) {
            TestBatch batch{.producer_id = 9, .sequence = i};
            EXPECT_TRUE(log.append_as_leader(make_batch(batch), as_client));
        }
        co_await log.written(5);
    });
    std::string name = "00000000000000000000.log";
    auto whole = size_of(name);
    std::filesystem::resize_file(std::filesystem::path(origin_.path) / name, whole - 3);
    with_log([&](Log& log) -> Task<void> {
        EXPECT_EQ(log.end_offset(), 4);
        EXPECT_EQ(log.producers().find(9)->last_sequence(), 3);
        EXPECT_EQ(log.epochs().latest(), (EpochStart{0, 0}));
        EXPECT_EQ(offsets_from(log, 0).size(), 4U);
        TestBatch batch{.producer_id = 9, .sequence = 4};
        EXPECT_EQ(log.append_as_leader(make_batch(batch), as_client)->first_offset, 4);
        co_await log.durable(5);
        EXPECT_EQ(log.size(), whole);
    });
}

// A sector ends behind the length: what follows, the magic too, is zeros.
TEST_F(LogTest, UncleanEndCutsAHeaderTornBeforeItsMagic) {
    with_log([](Log& log) -> Task<void> {
        for (int i = 0; i < 2; ++i) EXPECT_TRUE(log.append_as_leader(make_batch(), as_client));
        co_await log.written(2);
    });
    std::string name = "00000000000000000000.log";
    auto path = std::filesystem::path(origin_.path) / name;
    auto whole = size_of(name);
    std::filesystem::resize_file(path, whole / 2 + batch_layout::magic);
    std::filesystem::resize_file(path, whole);
    with_log([&](Log& log) -> Task<void> {
        EXPECT_EQ(log.end_offset(), 1);
        EXPECT_EQ(log.size(), whole / 2);
        co_return;
    });
}

TEST_F(LogTest, IdempotenceAnswersAsApache) {
    with_log([](Log& log) -> Task<void> {
        auto append = [&](std::int32_t sequence, std::int16_t epoch) {
            return log.append_as_leader(
                make_batch({.producer_id = 1, .producer_epoch = epoch, .sequence = sequence}),
                as_client);
        };
        EXPECT_EQ(append(17, 4)->first_offset, 0);  // an unknown producer may begin anywhere
        EXPECT_EQ(append(18, 4)->first_offset, 1);
        EXPECT_EQ(append(20, 4).error().code, ErrorCode::out_of_order_sequence_number);
        EXPECT_EQ(append(19, 3).error().code, ErrorCode::invalid_producer_epoch);
        EXPECT_EQ(append(1, 5).error().code, ErrorCode::out_of_order_sequence_number);
        EXPECT_EQ(append(0, 5)->first_offset, 2);
        EXPECT_TRUE(append(0, 5)->duplicate);
        for (int i = 1; i <= 5; ++i) EXPECT_FALSE(append(i, 5)->duplicate);
        EXPECT_TRUE(append(1, 5)->duplicate);
        EXPECT_EQ(append(0, 5).error().code, ErrorCode::out_of_order_sequence_number);
        co_await log.written(log.next_offset());
    });
}

TEST_F(LogTest, TransactionsHoldTheLastStableOffset) {
    with_log([](Log& log) -> Task<void> {
        auto data = [&](std::int64_t id, std::int32_t sequence) {
            auto appended = log.append_as_leader(
                make_batch({.producer_id = id, .sequence = sequence, .transactional = true}),
                as_client);
            EXPECT_TRUE(appended);
        };
        data(1, 0);                                                                             // 0
        data(2, 0);                                                                             // 1
        EXPECT_TRUE(log.append_as_leader(make_marker(ControlType::abort, 1), as_coordinator));  // 2
        co_await log.written(3);
        EXPECT_EQ(log.last_stable_offset(2), 0);  // the marker is not below the high watermark
        EXPECT_EQ(log.last_stable_offset(3), 1);
        data(1, 1);  // 3
        EXPECT_TRUE(
            log.append_as_leader(make_marker(ControlType::commit, 2), as_coordinator));         // 4
        EXPECT_TRUE(log.append_as_leader(make_marker(ControlType::abort, 1), as_coordinator));  // 5
        co_await log.written(6);
        EXPECT_EQ(log.last_stable_offset(6), 6);
        auto aborted = log.aborted_transactions(0, 6);
        EXPECT_EQ(*aborted, (std::vector<AbortedTransaction>{{1, 0, 2, 1}, {1, 3, 5, 6}}));
        EXPECT_EQ(log.aborted_transactions(3, 6)->size(), 1U);
        EXPECT_EQ(log.aborted_transactions(0, 1)->size(), 1U);
        auto fenced =
            log.append_as_leader(make_marker(ControlType::commit, 1, 0, -1), as_coordinator);
        EXPECT_EQ(fenced.error().code, ErrorCode::transaction_coordinator_fenced);
    });
    with_log([](Log& log) -> Task<void> {
        EXPECT_EQ(log.aborted_transactions(0, 6)->size(), 2U);
        EXPECT_EQ(log.last_stable_offset(6), 6);
        co_return;
    });
}

// What was aborted far behind what a fetch reads is not told: it would be told at every fetch.
TEST_F(LogTest, AbortedTransactionsAreThoseOfWhatIsRead) {
    origin_.options.index_interval_bytes = 100;
    with_log([](Log& log) -> Task<void> {
        for (int i = 0; i < 50; ++i) {
            EXPECT_TRUE(log.append_as_leader(
                make_batch({.value_size = 200, .producer_id = i, .transactional = true}),
                as_client));
            EXPECT_TRUE(log.append_as_leader(make_marker(ControlType::abort, i), as_coordinator));
        }
        co_await log.written(100);
        auto read = log.read({.offset = 20, .max_bytes = 600, .upper_bound = 100});
        Offset bound = log.upper_bound_of(*read).value();
        EXPECT_GE(bound, 23);
        EXPECT_LE(bound, 26);
        auto aborted = log.aborted_transactions(20, bound);
        EXPECT_LE(aborted->size(), 3U);
        EXPECT_EQ(aborted->front(), (AbortedTransaction{10, 20, 21, 22}));
        auto rest = log.read({.offset = 20, .max_bytes = 1'000'000, .upper_bound = 100});
        EXPECT_EQ(log.upper_bound_of(*rest).value(), 100);
        EXPECT_EQ(log.aborted_transactions(20, 100)->size(), 40U);
    });
}

TEST_F(LogTest, FollowerKeepsOffsetsAndRefusesWhatCannotFollow) {
    with_log([](Log& log) -> Task<void> {
        Buffer sent;
        sent.append(make_batch({.records = 2, .base_offset = 10, .leader_epoch = 1}).bytes());
        sent.append(make_batch({.records = 2, .base_offset = 20, .leader_epoch = 2}).bytes());
        sent.append(make_batch({.base_offset = 22}).bytes().first(40));
        auto appended = log.append_as_follower(Slice::copy(sent.bytes()));
        EXPECT_EQ(appended->first_offset, 10);
        EXPECT_EQ(appended->next_offset, 22);
        co_await log.durable(22);
        EXPECT_EQ(offsets_from(log, 0), (std::vector<Offset>{10, 20}));
        EXPECT_EQ(log.epochs().end_of(1, 22), (EpochEnd{1, 20}));
        auto late = log.append_as_follower(make_batch({.base_offset = 21}));
        EXPECT_EQ(late.error().code, ErrorCode::offset_out_of_range);
        Slice broken = make_batch({.base_offset = 22});
        broken.mutable_data()[70] ^= 1;
        EXPECT_EQ(log.append_as_follower(broken).error().code, ErrorCode::corrupt_message);
        EXPECT_EQ(log.next_offset(), 22);
    });
}

TEST_F(LogTest, TruncationForgetsRecordsEpochsAndProducers) {
    origin_.options.segment_bytes = 500;
    with_log(
        [](Log& log) -> Task<void> {
            for (int i = 0; i < 20; ++i) {
                TestBatch batch{
                    .value_size = 50, .timestamp = 5000 + i, .producer_id = 3, .sequence = i};
                EXPECT_TRUE(log.append_as_leader(make_batch(batch), {.leader_epoch = i / 5}));
            }
            co_await log.durable(20);
            std::size_t segments = log.segment_count();
            EXPECT_TRUE(log.truncate_to(7));
            EXPECT_EQ(log.end_offset(), 7);
            EXPECT_EQ(log.flushed_end_offset(), 7);
            EXPECT_LT(log.segment_count(), segments);
            EXPECT_EQ(log.epochs().latest(), (EpochStart{1, 5}));
            EXPECT_EQ(log.producers().find(3)->last_sequence(), 6);
            EXPECT_EQ((co_await log.find_max_timestamp()).value(), (TimestampedOffset{5006, 6, 1}));
            TestBatch next{.producer_id = 3, .sequence = 7};
            EXPECT_EQ(log.append_as_leader(make_batch(next), {.leader_epoch = 9})->first_offset, 7);
            co_await log.durable(8);
            EXPECT_EQ(offsets_from(log, 0).size(), 8U);
            EXPECT_TRUE(log.truncate_fully(100));
            EXPECT_EQ(log.start_offset(), 100);
            EXPECT_TRUE(log.empty());
            EXPECT_EQ(log.segment_count(), 1U);
            EXPECT_TRUE(log.epochs().entries().empty());
        },
        true);
    with_log([](Log& log) -> Task<void> {
        EXPECT_EQ(log.start_offset(), 100);
        EXPECT_EQ(log.end_offset(), 100);
        co_return;
    });
}

TEST_F(LogTest, WaitersOfTruncatedRecordsAreTold) {
    with_log([](Log& log) -> Task<void> {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            std::optional<Result<>> outcome;
            EXPECT_TRUE(log.append_as_leader(make_batch({.records = 5}), as_client));
            auto waiter = [](Log& l, std::optional<Result<>>& out) -> Task<void> {
                out = co_await l.durable(5);
            };
            scope.spawn(waiter(log, outcome));
            EXPECT_TRUE(log.truncate_to(0));
            EXPECT_TRUE(log.append_as_leader(make_batch({.records = 6}), as_client));
            EXPECT_TRUE(co_await log.durable(6));
            co_await scope.join();
            EXPECT_TRUE(outcome && !*outcome);
            EXPECT_EQ(outcome->error().code, ErrorCode::not_leader_or_follower);
        });
    });
}

TEST_F(LogTest, StartMovesAndSegmentsBelowGo) {
    origin_.options.segment_bytes = 500;
    with_log([](Log& log) -> Task<void> {
        for (int i = 0; i < 20; ++i) {
            EXPECT_TRUE(log.append_as_leader(make_batch({.value_size = 50}), {.leader_epoch = i}));
        }
        co_await log.durable(20);
        EXPECT_EQ(log.advance_start(21).error().code, ErrorCode::offset_out_of_range);
        EXPECT_TRUE(log.advance_start(11));
        EXPECT_EQ(log.start_offset(), 11);
        EXPECT_TRUE(log.remove_below(11));
        EXPECT_EQ(log.epochs().earliest(), (EpochStart{11, 11}));
        EXPECT_EQ(log.read({.offset = 10, .upper_bound = 20}).error().code,
                  ErrorCode::offset_out_of_range);
    });
    EXPECT_FALSE(has("00000000000000000000.log"));
    EXPECT_TRUE(has("00000000000000000000.log.deleted"));
    with_log([&](Log& log) -> Task<void> {
        EXPECT_FALSE(has("00000000000000000000.log.deleted"));
        EXPECT_LE(log.start_offset(), 11);
        EXPECT_EQ(log.end_offset(), 20);
        EXPECT_TRUE(log.advance_start(20));
        EXPECT_TRUE(log.empty());
        EXPECT_TRUE(log.remove_below(20));
        EXPECT_EQ(log.segment_count(), 1U);
        co_return;
    });
}

TEST_F(LogTest, FindsRecordsByTime) {
    origin_.options.segment_bytes = 600;
    origin_.options.index_interval_bytes = 50;
    with_log([](Log& log) -> Task<void> {
        for (int i = 0; i < 30; ++i) {
            TestBatch batch{.records = 2, .timestamp = 1000 + 10 * i};
            EXPECT_TRUE(log.append_as_leader(make_batch(batch), {.leader_epoch = 2}));
        }
        co_await log.written(60);
        EXPECT_EQ((co_await log.find_by_timestamp(0)).value(), (TimestampedOffset{1000, 0, 2}));
        EXPECT_EQ((co_await log.find_by_timestamp(1001)).value(), (TimestampedOffset{1001, 1, 2}));
        EXPECT_EQ((co_await log.find_by_timestamp(1002)).value(), (TimestampedOffset{1010, 2, 2}));
        EXPECT_EQ((co_await log.find_by_timestamp(1155)).value(), (TimestampedOffset{1160, 32, 2}));
        EXPECT_EQ((co_await log.find_max_timestamp()).value(), (TimestampedOffset{1291, 59, 2}));
        EXPECT_EQ((co_await log.find_by_timestamp(1292)).value(), std::nullopt);
        EXPECT_TRUE(log.advance_start(5));
        EXPECT_EQ((co_await log.find_by_timestamp(0)).value(), (TimestampedOffset{1021, 5, 2}));
    });
}

TEST_F(LogTest, AFullIndexRollsTheSegment) {
    origin_.options.index_interval_bytes = 1;
    origin_.options.segment_index_bytes = 8 * 12;  // 12 offset entries, 8 time entries
    with_log(
        [](Log& log) -> Task<void> {
            for (int i = 0; i < 100; ++i) {
                TestBatch batch{.timestamp = 1000 + i};
                EXPECT_TRUE(log.append_as_leader(make_batch(batch), as_client));
            }
            co_await log.durable(100);
            EXPECT_EQ(log.segment_count(), 13U);  // 7 entries, and 8 batches, a segment
            EXPECT_EQ(offsets_from(log, 0).size(), 100U);
        },
        true);
    EXPECT_EQ(size_of("00000000000000000000.timeindex"), 7 * 12U);
}

TEST_F(LogTest, RollsWhenTimestampsAreFarApart) {
    origin_.options.segment_ms = 1000;
    with_log([](Log& log) -> Task<void> {
        for (Timestamp timestamp : {5000, 5500, 6000, 6001, 7001, 7002}) {
            EXPECT_TRUE(log.append_as_leader(make_batch({.timestamp = timestamp}), as_client));
        }
        co_await log.written(6);
        EXPECT_EQ(log.segment_count(), 3U);
        EXPECT_EQ(log.active_segment_base(), 5);
    });
}

TEST_F(LogTest, AFailedDirectoryTakesNoAppendsButReads) {
    env::posix::World world({.shards = 1});
    world.run([&](env::Shard& shard) -> Task<int> {
        DirectoryHealth health;
        auto log = co_await Log::open(shard, health, origin_);
        (*log)->append_as_leader(make_batch(), as_client);
        co_await (*log)->durable(1);
        health.fail({ErrorCode::kafka_storage_error, "another log failed"});
        EXPECT_EQ((*log)->append_as_leader(make_batch(), as_client).error().code,
                  ErrorCode::kafka_storage_error);
        EXPECT_EQ(offsets_from(**log, 0).size(), 1U);
        EXPECT_FALSE(co_await (*log)->close());
        co_await (*log)->abandon();
        co_return 0;
    });
}

}  // namespace
}  // namespace millrace::storage
