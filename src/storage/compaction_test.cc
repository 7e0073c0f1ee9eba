// Compaction of logs: what is dirty, which segments become one, what a round leaves, and what stops
// it. Which records of a batch stay is batch_filter_test.cc's.

#include "storage/compaction.h"

#include <algorithm>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <memory>

#include "base/scope.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/keyed_batches_for_tests.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Offset everything = std::numeric_limits<Offset>::max();

class CompactionTest : public testing::Test {
  protected:
    CompactionTest() : world_(3), node_(world_.add_node("node")), disk_(node_.disk()) {
        EXPECT_TRUE(disk_.make_directories("/d"));
        EXPECT_TRUE(disk_.sync_directory("/"));
        origin_.path = "/d/t-0";
        origin_.options.index_interval_bytes = 100;
        origin_.options.segment_index_bytes = 1200;
        origin_.options.segment_ms = std::numeric_limits<std::int64_t>::max();
        origin_.options.delete_retention_ms = 1'000;
        origin_.options.file_delete_delay_ms = 60'000;
        // Test records bear timestamps of 1970.
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    }

    // Opens the log, runs the body and closes the log.
    void with_log(std::function<Task<void>(Shard&, Log&)> body) {
        auto main = [&](Shard& here) -> Task<int> {
            auto log = co_await Log::open(here, health_, origin_);
            EXPECT_TRUE(log) << log.error().message;
            if (!log) co_return 1;
            co_await body(here, **log);
            auto closed = co_await (*log)->close();
            EXPECT_TRUE(closed || health_.failed()) << closed.error().message;
            origin_.clean_shutdown = true;
            origin_.first_dirty = (*log)->first_dirty_offset();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }

    static Offset append(Log& log, const std::vector<KeyAndValue>& records,
                         const BatchOptions& options = {},
                         Timestamp timestamp = keyed_batch_timestamp) {
        auto appended = log.append_as_leader(keyed_batch(records, options, timestamp),
                                             {.origin = AppendOrigin::client, .leader_epoch = 0});
        EXPECT_TRUE(appended) << appended.error().message;
        log.write_queued();
        return appended ? appended->first_offset : no_offset;
    }
    static void mark(Log& log, ControlType type, std::int64_t producer, std::int16_t epoch = 0) {
        EXPECT_TRUE(log.append_as_leader(make_marker(type, producer, epoch),
                                         {.origin = AppendOrigin::coordinator, .leader_epoch = 0}));
        log.write_queued();
    }
    static BatchOptions transactional(std::int64_t producer, std::int32_t sequence = 0) {
        return {.producer_id = producer,
                .producer_epoch = 0,
                .base_sequence = sequence,
                .transactional = true};
    }
    static Task<CompactionReport> compacted(Log& log, CompactionTerms terms = {}) {
        if (terms.last_stable == 0) terms.last_stable = everything;
        auto report = co_await log.compact(terms);
        EXPECT_TRUE(report) << report.error().message;
        co_return report.value_or(CompactionReport{});
    }
    bool has(const std::string& name) { return disk_.exists(origin_.path + "/" + name); }

    env::sim::World world_;
    env::sim::Node& node_;
    env::sim::Disk& disk_;
    DirectoryHealth health_;
    LogOrigin origin_;
};

TEST_F(CompactionTest, LeavesTheLastRecordOfEachKeyAtItsOffset) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}, {"b", "1"}, {"c", "1"}});
        EXPECT_TRUE(log.roll());
        append(log, {{"a", "2"}});
        append(log, {{"b", "2"}});
        EXPECT_TRUE(log.roll());
        append(log, {{"c", "2"}});  // active
        CompactionReport report = co_await compacted(log);
        EXPECT_TRUE(report.finished);
        EXPECT_EQ(report.first_dirty, 5);
        EXPECT_EQ(log.first_dirty_offset(), 5);
        EXPECT_EQ(report.stats.records_read, 5);
        EXPECT_EQ(report.stats.records_kept, 3);
        EXPECT_EQ(log.segment_count(), 2U);
        EXPECT_THAT(records_of(log).value(),
                    ElementsAre(KeyedRecord{2, "c", "1"}, KeyedRecord{3, "a", "2"},
                                KeyedRecord{4, "b", "2"}, KeyedRecord{5, "c", "2"}));
        EXPECT_TRUE(has("00000000000000000000.log"));
        EXPECT_TRUE(has("00000000000000000000.log.deleted"));
        EXPECT_TRUE(has("00000000000000000003.log.deleted"));
        EXPECT_FALSE(has("00000000000000000003.log"));
        EXPECT_FALSE(has("00000000000000000000.log.swap"));
    });
    with_log([&](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.segment_count(), 2U);
        EXPECT_EQ(log.first_dirty_offset(), 5);
        EXPECT_EQ(records_of(log)->size(), 4U);
        EXPECT_EQ(log.end_offset(), 6);
        co_return;
    });
}

TEST_F(CompactionTest, ReadsUnderWayKeepTheOldFiles) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}});
        append(log, {{"a", "2"}});
        EXPECT_TRUE(log.roll());
        auto before = log.read({.offset = 0, .max_bytes = 10'000, .upper_bound = 2});
        EXPECT_TRUE((co_await compacted(log)).finished);
        const auto& range = std::get<FileRange>(before->records.pieces().front());
        Buffer bytes;
        bytes.resize(range.size);
        EXPECT_EQ(range.file->read(range.offset, bytes.mutable_bytes()), range.size);
        EXPECT_TRUE(BatchView::parse(bytes.bytes())->verify_crc());
        EXPECT_EQ(BatchView::parse(bytes.bytes())->count(), 1);
        EXPECT_THAT(records_of(log).value(), ElementsAre(KeyedRecord{1, "a", "2"}));
    });
}

TEST_F(CompactionTest, EachSegmentStillEndsWhereTheNextOneBegins) {
    origin_.options.segment_bytes = 200;  // one segment becomes one segment
    with_log([&](Shard&, Log& log) -> Task<void> {
        for (int i = 0; i < 4; ++i) {
            append(log, {{std::to_string(i), std::string(50, 'v')}, {"x", std::string(30, 'v')}});
            EXPECT_TRUE(log.roll());
        }
        append(log, {{"0", "v"}, {"1", "v"}, {"x", "v"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log)).finished);
        std::vector<Offset> ends;
        EXPECT_TRUE(for_each_batch(
            log, [&](const BatchView& batch) { ends.push_back(batch.next_offset()); }));
        EXPECT_THAT(ends, ElementsAre(2, 4, 6, 8, 11));
        EXPECT_EQ(log.segment_count(), 6U);
    });
    origin_.clean_shutdown = false;  // and so recovery takes nothing for a loss
    origin_.first_dirty.reset();
    with_log([&](Shard&, Log& log) -> Task<void> {
        EXPECT_EQ(log.end_offset(), 11);
        EXPECT_EQ(records_of(log)->size(), 5U);
        co_return;
    });
}

TEST_F(CompactionTest, SegmentsThatWouldComeOutAlikeAreLeftAlone) {
    origin_.options.segment_bytes = 300;
    with_log([&](Shard&, Log& log) -> Task<void> {
        for (const char* key : {"a", "b"}) {
            append(log, {{key, std::string(120, 'v')}});
            EXPECT_TRUE(log.roll());
        }
        for (int i = 0; i < 2; ++i) append(log, {{"x", std::string(i == 0 ? 120 : 10, 'v')}});
        EXPECT_TRUE(log.roll());
        CompactionReport report = co_await compacted(log, {.io_buffer_size = 100});
        EXPECT_TRUE(report.finished);
        EXPECT_FALSE(has("00000000000000000000.log.deleted"));
        EXPECT_FALSE(has("00000000000000000001.log.deleted"));
        EXPECT_TRUE(has("00000000000000000002.log.deleted"));
        EXPECT_EQ(records_of(log)->size(), 3U);

        // A change behind the beginning brings the beginning along.
        append(log, {{"y", std::string(120, 'v')}});
        append(log, {{"z", "v"}});
        EXPECT_TRUE(log.roll());
        append(log, {{"z", "w"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log, {.io_buffer_size = 100, .step_bytes = 1})).finished);
        auto records = records_of(log);
        EXPECT_EQ(records->size(), 5U);
        EXPECT_EQ((*records)[3].key, "y");
        EXPECT_EQ((*records)[4], (KeyedRecord{6, "z", "w"}));
    });
}

TEST_F(CompactionTest, DirtyIsWhatIsSealedStableAndOldEnough) {
    with_log([&](Shard& here, Log& log) -> Task<void> {
        Timestamp now = here.wall_ms();
        std::uint64_t size = keyed_batch({{"a", "1"}}).size();
        for (int i = 0; i < 4; ++i) {
            append(log, {{"a", "1"}}, {}, now - 4'000 + i * 1'000);
            EXPECT_TRUE(log.roll());
        }
        auto section = log.dirty_section(everything, now);
        EXPECT_EQ(section->first_dirty, 0);
        EXPECT_EQ(section->first_uncleanable, 4);
        EXPECT_EQ(section->dirty_bytes, 4 * size);
        EXPECT_EQ(section->clean_bytes, 0U);
        EXPECT_EQ(section->ratio(), 1);
        EXPECT_EQ(section->delay_ms, 0);
        EXPECT_TRUE(section->is_due(0.5));
        EXPECT_FALSE(section->is_due(1));

        EXPECT_EQ(log.dirty_section(2, now)->first_uncleanable, 2);
        log.options().min_compaction_lag_ms = 2'500;
        EXPECT_EQ(log.dirty_section(everything, now)->first_uncleanable, 2);
        log.options().min_compaction_lag_ms = 0;
        log.options().max_compaction_lag_ms = 1'500;
        EXPECT_EQ(log.dirty_section(everything, now)->delay_ms, 2'500);
        EXPECT_TRUE(log.dirty_section(everything, now)->is_due(1));

        EXPECT_TRUE((co_await compacted(log, {.last_stable = 2})).finished);
        section = log.dirty_section(everything, now);
        EXPECT_EQ(section->first_dirty, 2);
        EXPECT_EQ(section->dirty_bytes, 2 * size);
        EXPECT_GT(section->clean_bytes, 0U);
        EXPECT_EQ(section->delay_ms, 500);
    });
}

TEST_F(CompactionTest, AWrongCheckpointBeginsAtTheStart) {
    origin_.first_dirty = 100;
    with_log([&](Shard& here, Log& log) -> Task<void> {
        append(log, {{"a", "1"}, {"a", "2"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE(log.dirty_section(everything, here.wall_ms())->checkpoint_was_wrong);
        EXPECT_EQ(log.dirty_section(everything, here.wall_ms())->first_dirty, 0);
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_EQ(log.first_dirty_offset(), 2);
        append(log, {{"a", "3"}});
        EXPECT_TRUE(log.advance_start(3));
        EXPECT_EQ(log.dirty_section(everything, here.wall_ms())->first_dirty, 3);
    });
}

TEST_F(CompactionTest, AFullMapGoesOnInTheNextRound) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}, {"e", "1"}});
        append(log, {{"a", "2"}, {"b", "2"}, {"c", "2"}, {"d", "2"}, {"e", "2"}});
        EXPECT_TRUE(log.roll());
        CompactionTerms terms{.map_memory = 24 * 5, .map_load_factor = 0.6};  // three keys
        std::vector<Offset> ends;
        for (int round = 0; round < 10 && (ends.empty() || ends.back() < 10); ++round) {
            CompactionReport report = co_await compacted(log, terms);
            EXPECT_TRUE(report.finished);
            ends.push_back(report.first_dirty);
            EXPECT_TRUE(std::ranges::is_sorted(records_of(log).value(), std::ranges::less_equal()));
        }
        EXPECT_THAT(ends, ElementsAre(3, 6, 9, 10));
        auto records = records_of(log);
        EXPECT_EQ(records->size(), 5U);
        EXPECT_EQ(records->front(), (KeyedRecord{5, "a", "2"}));
    });
}

TEST_F(CompactionTest, AbortedDataGoesWithItsIndexEntryOneRoundBehind) {
    with_log([&](Shard& here, Log& log) -> Task<void> {
        append(log, {{"a", "aborted"}}, transactional(1));
        EXPECT_TRUE(log.roll());
        append(log, {{"b", "aborted"}, {"c", "committed later"}}, transactional(1, 1));
        append(log, {{"c", "committed"}}, transactional(2));
        mark(log, ControlType::abort, 1);
        mark(log, ControlType::commit, 2);
        append(log, {{"d", "1"}}, transactional(1, 3));
        mark(log, ControlType::commit, 1);
        EXPECT_TRUE(log.roll());
        append(log, {{"e", "1"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_THAT(records_of(log).value(),
                    ElementsAre(KeyedRecord{3, "c", "committed"}, KeyedRecord{6, "d", "1"},
                                KeyedRecord{8, "e", "1"}));
        EXPECT_EQ(log.aborted_transactions(0, everything)->size(), 1U);

        // The marker gets its horizon, and the index forgets the transaction.
        append(log, {{"e", "2"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_TRUE(log.aborted_transactions(0, everything)->empty());
        auto markers = [&] {
            std::vector<Offset> found;
            EXPECT_TRUE(for_each_batch(log, [&](const BatchView& batch) {
                if (batch.is_control()) found.push_back(batch.base_offset());
            }));
            return found;
        };
        EXPECT_THAT(markers(), ElementsAre(4, 5, 7));
        co_await env::sleep_for(here, Duration::seconds(2));
        append(log, {{"e", "3"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_THAT(markers(), ElementsAre(5, 7));
    });
}

TEST_F(CompactionTest, ProducersGoOnWhereTheyWereAfterARestart) {
    BatchOptions producer{.producer_id = 9, .producer_epoch = 0, .base_sequence = 0};
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}, {"a", "2"}}, producer);
        append(log, {{"a", "3"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_THAT(records_of(log).value(), ElementsAre(KeyedRecord{2, "a", "3"}));
    });
    // Without snapshots: from the batches alone.
    for (const auto& entry : disk_.list(origin_.path).value()) {
        if (!entry.name.ends_with(".snapshot")) continue;
        EXPECT_TRUE(disk_.remove(origin_.path + "/" + entry.name));
    }
    origin_.clean_shutdown = false;
    with_log([&](Shard&, Log& log) -> Task<void> {
        const Producer* known = log.producers().find(9);
        EXPECT_NE(known, nullptr);
        if (known != nullptr) EXPECT_EQ(known->last_sequence(), 1);
        auto gap = producer;
        gap.base_sequence = 5;
        EXPECT_EQ(log.append_as_leader(keyed_batch({{"b", "1"}}, gap), {}).error().code,
                  ErrorCode::out_of_order_sequence_number);
        gap.base_sequence = 2;
        EXPECT_TRUE(log.append_as_leader(keyed_batch({{"b", "1"}}, gap), {}));
        co_return;
    });
}

TEST_F(CompactionTest, TimesAndOffsetsAreFoundAfterwards) {
    origin_.options.index_interval_bytes = 50;
    with_log([&](Shard&, Log& log) -> Task<void> {
        for (int i = 0; i < 50; ++i) {
            append(log, {{i % 2 == 0 ? std::to_string(i) : "x", "v"}}, {}, 1'000 + i);
        }
        EXPECT_TRUE(log.roll());
        append(log, {{"y", "v"}}, {}, 2'000);
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_EQ((co_await log.find_by_timestamp(1'011))->value().offset, 12);
        EXPECT_EQ((co_await log.find_by_timestamp(1'049))->value().offset, 49);
        EXPECT_EQ((co_await log.find_max_timestamp())->value().offset, 50);
        auto bytes = log.load({.offset = 31, .max_bytes = 1, .upper_bound = 51});
        EXPECT_EQ(BatchView::trusted(*bytes).base_offset(), 32);
    });
}

TEST_F(CompactionTest, ATruncationStopsIt) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}, {"a", "2"}});
        EXPECT_TRUE(log.roll());
        append(log, {{"a", "3"}});
        EXPECT_TRUE(log.roll());
        int steps = 0;
        auto truncate = [&](std::uint64_t) -> Task<void> {
            if (++steps == 3) EXPECT_TRUE(log.truncate_to(2));
            co_return;
        };
        CompactionReport report = co_await compacted(log, {.step_bytes = 1, .pace = truncate});
        EXPECT_FALSE(report.finished);
        EXPECT_GE(steps, 3);
        EXPECT_EQ(records_of(log)->size(), 2U);
        EXPECT_EQ(log.end_offset(), 2);
        for (const auto& entry : disk_.list(origin_.path).value()) {
            EXPECT_FALSE(entry.name.ends_with(".cleaned") || entry.name.ends_with(".swap"));
        }
        EXPECT_FALSE(log.first_dirty_offset());
    });
}

TEST_F(CompactionTest, ATruncationMakesDirtyWhatComesAnew) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}});
        append(log, {{"b", "1"}});
        EXPECT_TRUE(log.roll());
        EXPECT_TRUE((co_await compacted(log)).finished);
        EXPECT_EQ(log.first_dirty_offset(), 2);
        EXPECT_TRUE(log.truncate_to(1));
        EXPECT_EQ(log.first_dirty_offset(), 1);
    });
}

TEST_F(CompactionTest, RemovedSegmentsAreLeftOut) {
    origin_.options.segment_bytes = 100;  // one segment becomes one segment
    origin_.options.file_delete_delay_ms = 0;
    with_log([&](Shard&, Log& log) -> Task<void> {
        for (int i = 0; i < 3; ++i) {
            append(log, {{"a", "1"}, {"a", "2"}});
            EXPECT_TRUE(log.roll());
        }
        for (int when = 1; when < 12; ++when) {
            for (int i = 0; i < 2; ++i) {
                append(log, {{"a", "1"}, {"b", "2"}});
                EXPECT_TRUE(log.roll());
            }
            int steps = 0;
            auto remove = [&](std::uint64_t) -> Task<void> {
                if (++steps == when) {
                    EXPECT_TRUE(log.advance_start(log.start_offset() + 2));
                    EXPECT_TRUE(log.remove_below(log.start_offset()));
                    (void)co_await log.remove_deleted();
                }
                co_return;
            };
            EXPECT_TRUE((co_await compacted(log, {.step_bytes = 1, .pace = remove})).finished);
            EXPECT_FALSE(log.failed());
        }
        EXPECT_EQ(records_of(log)->back().key, "b");
    });
}

TEST_F(CompactionTest, ClosingStopsIt) {
    with_log([&](Shard& here, Log& log) -> Task<void> {
        append(log, {{"a", "1"}, {"a", "2"}});
        EXPECT_TRUE(log.roll());
        auto body = [&](Scope& scope) -> Task<void> {
            auto compact = [&]() -> Task<void> {
                auto forever = [&](std::uint64_t) -> Task<void> {
                    co_await env::sleep_for(here, Duration::seconds(1'000'000));
                };
                EXPECT_FALSE((co_await compacted(log, {.pace = forever})).finished);
            };
            scope.spawn(compact());
            EXPECT_TRUE(log.compacting());
            co_await env::sleep_for(here, Duration::seconds(1));
            EXPECT_TRUE(co_await log.close());
            EXPECT_FALSE(log.compacting());
            co_await scope.join();
        };
        co_await with_scope(body);
    });
    EXPECT_FALSE(has("00000000000000000000.log.cleaned"));
}

TEST_F(CompactionTest, ContentThatCannotBeCompactedIsRefusedAndLeftAsItIs) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}});
        append(log, {{"a", "2"}});
        EXPECT_TRUE(log.roll());
        disk_.rot(origin_.path + "/00000000000000000000.log", batch_header_size + 5);
        auto report = co_await log.compact({.last_stable = everything});
        EXPECT_FALSE(report);
        EXPECT_EQ(report.error().code, ErrorCode::corrupt_message);
        EXPECT_THAT(report.error().message, HasSubstr("00000000000000000000.log"));
        EXPECT_FALSE(log.failed());
        EXPECT_EQ(log.segment_count(), 2U);
        EXPECT_FALSE(has("00000000000000000000.log.cleaned"));
        append(log, {{"b", "1"}});
    });
}

TEST_F(CompactionTest, OldMessageFormatsAreRefusedInASentence) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}});
        EXPECT_TRUE(log.roll());
        auto file = disk_.open(origin_.path + "/00000000000000000000.log", {.write = true});
        std::uint8_t magic = 1;
        EXPECT_TRUE((*file)->write(batch_layout::magic, Bytes(&magic, 1)));
        auto report = co_await log.compact({.last_stable = everything});
        EXPECT_EQ(report.error().code, ErrorCode::unsupported_for_message_format);
        EXPECT_THAT(report.error().message, HasSubstr("magic 1"));
    });
}

TEST_F(CompactionTest, AFailedWriteClosesTheLogAndItsDirectory) {
    with_log([&](Shard&, Log& log) -> Task<void> {
        append(log, {{"a", "1"}});
        append(log, {{"a", "2"}});
        EXPECT_TRUE(log.roll());
        disk_.fail_next(env::sim::Disk::Fault::write, ".log.cleaned", "No space left on device");
        auto report = co_await log.compact({.last_stable = everything});
        EXPECT_EQ(report.error().code, ErrorCode::kafka_storage_error);
        EXPECT_TRUE(log.failed());
        EXPECT_TRUE(health_.failed());
        EXPECT_EQ(records_of(log)->size(), 2U);
    });
}

}  // namespace
}  // namespace millrace::storage
