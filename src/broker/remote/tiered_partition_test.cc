// One tiered partition on a store that the test looks into: copying, removing, reading.

#include "broker/remote/tiered_partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/remote/tiered_bench_for_tests.h"

namespace millrace::broker {
namespace {

using storage::make_batch;
using storage::make_marker;
using storage::Offset;
using testing::ElementsAre;
using testing::HasSubstr;

class TieredPartitionTest : public TieredBenchTest {};

// The value of a figure of all topics.
double figure(TieredBench& bench, std::string_view name) {
    std::string text = bench.figures();
    std::size_t at = text.find("\n" + std::string(name) + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

constexpr std::string_view topic_metrics = "kafka_server_BrokerTopicMetrics_";

TEST_F(TieredPartitionTest, CopiesWhatIsCompleteAndReadsIt) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        co_await bench.fill(100);
        storage::Log& log = bench.partition->log();
        co_await bench.until([&] { return bench.tiered->highest_offset() >= 60; });
        EXPECT_EQ(bench.tiered->highest_offset() + 1, log.active_segment_base());
        co_await bench.move_away();
        for (Offset at = 0; at < 100; ++at) {
            auto got = co_await bench.read({.offset = at, .max_bytes = 1});
            EXPECT_TRUE(got.empty()) << "a batch is larger";
            got = co_await bench.read({.offset = at, .max_bytes = 1, .whole_first_batch = true});
            EXPECT_THAT(got, ElementsAre(at));
        }
        auto beyond = co_await bench.tiered->read({.offset = 100, .max_bytes = 1});
        EXPECT_EQ(beyond.error().code, ErrorCode::offset_out_of_range);
        EXPECT_THAT(beyond.error().message, HasSubstr("no segment of t-0"));
    });
}

TEST_F(TieredPartitionTest, TellsAReplicaWhatItGoesOnWith) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        co_await bench.fill(100);
        storage::Log& log = bench.partition->log();
        co_await bench.until(
            [&] { return bench.tiered->highest_offset() + 1 == log.active_segment_base(); });
        Offset local = log.active_segment_base();
        std::int32_t epoch = log.epochs().latest()->epoch;
        auto begun = co_await bench.tiered->beginning({7, local, epoch});
        EXPECT_TRUE(begun) << begun.error().message;
        if (!begun) co_return;
        EXPECT_EQ(begun->start, 7);
        EXPECT_EQ(begun->local_start, local);
        EXPECT_EQ(begun->epochs.entries(), log.epochs().entries());
        EXPECT_EQ(begun->producers.view(), log.producers_at(local)->view());
        EXPECT_FALSE(begun->producers.empty());

        auto beyond = co_await bench.tiered->beginning({7, 5000, epoch});
        EXPECT_EQ(beyond.error().code, ErrorCode::replica_not_available);
        EXPECT_THAT(beyond.error().message, HasSubstr("t-0 in remote storage is known that holds"));
        bench.store.broken = true;
        EXPECT_FALSE(co_await bench.tiered->beginning({7, local, epoch}));
    });
}

// A consumer with small fetches costs the store about as many reads as one with large ones.
TEST_F(TieredPartitionTest, ASequentialReaderPaysForNoRoundTripAFetch) {
    run("", {{"internal.segment.bytes", "400000"}}, [](TieredBench& bench) -> Task<void> {
        co_await bench.fill(1000, 900);
        co_await bench.move_away();
        bench.store.reads = 0;
        int fetches = 0;
        for (Offset at = 0; at < 1000; ++fetches) {
            auto got = co_await bench.read({.offset = at, .max_bytes = 4000});
            EXPECT_FALSE(got.empty());
            if (got.empty()) co_return;
            EXPECT_EQ(got.front(), at) << "each record once";
            EXPECT_EQ(got.back() - got.front() + 1, static_cast<Offset>(got.size()));
            at = got.back() + 1;
        }
        EXPECT_GT(fetches, 240);
        EXPECT_LT(bench.store.reads, 12);
        EXPECT_EQ(bench.services.read_ahead.used(), 0U) << "all of it was read";
    });
}

TEST_F(TieredPartitionTest, ARandomReaderGetsWhatHeAsksFor) {
    run("", {{"internal.segment.bytes", "400000"}}, [](TieredBench& bench) -> Task<void> {
        co_await bench.fill(400, 900);
        co_await bench.move_away();
        bench.store.reads = 0;
        for (Offset at : {300, 20, 150, 7, 390}) {
            EXPECT_EQ(co_await bench.read_first({.offset = at, .max_bytes = 2000}), at);
        }
        EXPECT_EQ(bench.store.reads, 5);
        EXPECT_EQ(bench.services.read_ahead.used(), 0U);
    });
}

TEST_F(TieredPartitionTest, MemoryForReadingAheadIsBounded) {
    run("remote.log.reader.read.ahead.max.bytes=100000\n", {{"internal.segment.bytes", "400000"}},
        [](TieredBench& bench) -> Task<void> {
            co_await bench.fill(1000, 900);
            co_await bench.move_away();
            std::vector<Offset> readers{0, 100, 200, 300, 400, 500};
            std::uint64_t most = 0;
            for (int round = 0; round < 20; ++round) {
                for (Offset& at : readers) {
                    auto got = co_await bench.read({.offset = at, .max_bytes = 5000});
                    EXPECT_FALSE(got.empty());
                    if (got.empty()) co_return;
                    EXPECT_EQ(got.front(), at);
                    at = got.back() + 1;
                    most = std::max(most, bench.services.read_ahead.used());
                }
            }
            EXPECT_GT(most, 0U);
            EXPECT_LE(most, 100'000U);
            // Readers that do not come back leave nothing behind.
            co_await bench.until([&] { return bench.services.read_ahead.used() == 0; });
        });
}

TEST_F(TieredPartitionTest, NothingIsReadAheadWhenThatIsOff) {
    run("remote.log.reader.read.ahead.max.bytes=0\n", {{"internal.segment.bytes", "400000"}},
        [](TieredBench& bench) -> Task<void> {
            co_await bench.fill(100, 900);
            co_await bench.move_away();
            bench.store.reads = 0;
            for (Offset at = 0; at < 40; at += 4) {
                EXPECT_EQ((co_await bench.read({.offset = at, .max_bytes = 4000})).size(), 4U);
            }
            EXPECT_EQ(bench.store.reads, 10);
        });
}

// Of read_committed: what was aborted, and no more than Apache tells, whoever has read it from the
// store before.
TEST_F(TieredPartitionTest, TellsOfAbortedTransactions) {
    run("log.index.interval.bytes=1\n", {}, [](TieredBench& bench) -> Task<void> {
        auto write = [&](std::int64_t producer, int sequence) {
            return bench.append(make_batch({.value_size = 100,
                                            .producer_id = producer,
                                            .sequence = sequence,
                                            .transactional = true}));
        };
        auto finish = [&](std::int64_t producer, bool committed) -> Task<void> {
            EXPECT_TRUE(co_await bench.partition->end_transaction(
                {.producer_id = producer, .producer_epoch = 0, .committed = committed}));
        };
        co_await write(7, 0);  // 0, aborted at 41
        co_await write(8, 0);  // 1, committed at 2
        co_await finish(8, true);
        for (int i = 1; i < 39; ++i) co_await write(9, i - 1);  // 3 to 40, aborted at 42
        co_await finish(7, false);
        co_await finish(9, false);
        co_await bench.fill(10);
        co_await bench.move_away();
        using Pairs = std::vector<std::pair<std::int64_t, Offset>>;
        auto aborted = [&](Offset at, std::uint64_t bytes) -> Task<Pairs> {
            auto got = co_await bench.tiered->read({.offset = at,
                                                    .max_bytes = bytes,
                                                    .whole_first_batch = true,
                                                    .read_committed = true});
            EXPECT_TRUE(got) << got.error().message;
            Pairs pairs;
            if (got) {
                for (const auto& each : got->aborted) {
                    pairs.emplace_back(each.producer_id, each.first_offset);
                }
            }
            co_return pairs;
        };
        for (int round = 0; round < 3; ++round) {  // the second finds some of it in memory
            EXPECT_EQ(co_await aborted(0, 1), (Pairs{{7, 0}}));
            EXPECT_EQ(co_await aborted(1, 1), (Pairs{{7, 0}}));
            EXPECT_EQ(co_await aborted(3, 1), (Pairs{{7, 0}, {9, 3}}));
            EXPECT_EQ(co_await aborted(40, 1), (Pairs{{7, 0}, {9, 3}}));
            EXPECT_EQ(co_await aborted(42, 1), (Pairs{{9, 3}}));
            EXPECT_EQ(co_await aborted(43, 1), Pairs{});
        }
    });
}

TEST_F(TieredPartitionTest, AStoreThatFailsIsToldOfAndTriedAgain) {
    run("remote.log.manager.task.retry.backoff.ms=10\n", {}, [](TieredBench& bench) -> Task<void> {
        bench.store.broken = true;
        co_await bench.fill(60);
        co_await bench.until([&] {
            return figure(bench, std::string(topic_metrics) +
                                     "Count{name=\"RemoteCopyErrorsPerSec\"}") > 0;
        });
        EXPECT_EQ(bench.tiered->highest_offset(), storage::no_offset);
        EXPECT_GT(
            figure(bench, std::string(topic_metrics) + "Value{name=\"RemoteCopyLagSegments\"}"), 0);
        bench.store.broken = false;
        co_await bench.move_away();
        EXPECT_EQ(
            figure(bench, std::string(topic_metrics) + "Value{name=\"RemoteCopyLagSegments\"}"), 0);
        // What was begun in vain is removed.
        co_await bench.until([&] {
            auto listed = bench.remote->list("");
            std::size_t segments = 0;
            for (const auto& key : *listed) segments += key.ends_with(".log");
            return segments * 2 == listed->size();
        });
        bench.store.broken = true;
        auto got = co_await bench.tiered->read({.offset = 0, .max_bytes = 1000});
        EXPECT_EQ(got.error().code, ErrorCode::unknown_server_error);
        bench.store.broken = false;
        EXPECT_EQ(co_await bench.read_first({.offset = 0, .max_bytes = 1000}), 0);
    });
}

TEST_F(TieredPartitionTest, WhatHasExpiredGoes) {
    run("", {{"retention.bytes", "9000"}}, [](TieredBench& bench) -> Task<void> {
        co_await bench.fill(300);
        co_await bench.move_away();
        storage::Log& log = bench.partition->log();
        co_await bench.until([&] { return log.start_offset() > 200; });
        co_await bench.until([&] { return bench.remote->list("")->size() <= 8; });
        auto gone = co_await bench.tiered->read({.offset = 5, .max_bytes = 1000});
        EXPECT_EQ(gone.error().code, ErrorCode::offset_out_of_range);
        EXPECT_EQ(co_await bench.read_first({.offset = log.start_offset(), .max_bytes = 200}),
                  log.start_offset());
    });
}

TEST_F(TieredPartitionTest, ALeaderGoesOnWhereTheOneBeforeStopped) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        co_await bench.fill(100);
        co_await bench.move_away();
        std::size_t objects = bench.remote->list("")->size();
        co_await bench.end();
        bench.begin();
        auto early = co_await bench.tiered->read({.offset = 0, .max_bytes = 1000});
        EXPECT_TRUE(early || early.error().code == ErrorCode::replica_not_available);
        co_await bench.until([&] { return bench.tiered->highest_offset() == 99; });
        co_await bench.pass(1000);
        EXPECT_EQ(bench.remote->list("")->size(), objects) << "nothing is copied twice";
        co_await bench.fill(40);
        co_await bench.move_away();
        EXPECT_GT(bench.remote->list("")->size(), objects);
        co_await bench.tiered->stop();
        co_await bench.tiered->remove_all();
        bench.tiered.reset();
        EXPECT_TRUE(bench.remote->list("")->empty());
    });
}

TEST_F(TieredPartitionTest, EpochsThatAreLostComeBack) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        storage::Log& log = bench.partition->log();
        for (std::int32_t epoch : {0, 1, 4}) {
            metadata::Partition state = bench.partition->state();
            state.leader_epoch = epoch;
            bench.partition->update(state);
            co_await bench.fill(30);
        }
        co_await bench.move_away();
        auto epochs = log.epochs().entries();
        EXPECT_EQ(epochs.size(), 3U);
        co_await bench.end();
        log.adopt_epochs({});
        bench.begin();
        co_await bench.until([&] { return bench.tiered->highest_offset() == 89; });
        EXPECT_EQ(log.epochs().entries(), epochs);
        EXPECT_EQ(co_await bench.read_first({.offset = 0, .max_bytes = 200}), 0);
    });
}

TEST_F(TieredPartitionTest, ReadsAreBounded) {
    run("remote.log.reader.threads=1\nremote.log.reader.max.pending.tasks=1\n"
        "remote.log.reader.read.ahead.max.bytes=0\n",
        {}, [](TieredBench& bench) -> Task<void> {
            co_await bench.fill(100);
            co_await bench.move_away();
            int refused = 0;
            int came = 0;
            co_await with_scope([&](Scope& scope) -> Task<void> {
                auto read = [&](Offset at) -> Task<void> {
                    auto got = co_await bench.tiered->read({.offset = at, .max_bytes = 1000});
                    ++(got ? came : refused);
                    if (!got) EXPECT_EQ(got.error().code, ErrorCode::unknown_server_error);
                };
                for (Offset at : {0, 30, 60, 90}) scope.spawn(read(at));
                co_await scope.join();
            });
            EXPECT_EQ(came, 2) << "one at work, one that waits";
            EXPECT_EQ(refused, 2);
        });
}

// Figures move when what they count happens.
TEST_F(TieredPartitionTest, FiguresFollow) {
    run("", {{"retention.bytes", "20000"}}, [](TieredBench& bench) -> Task<void> {
        auto count = [&](std::string_view name) {
            return figure(bench,
                          std::string(topic_metrics) + "Count{name=\"" + std::string(name) + "\"}");
        };
        auto value = [&](std::string_view name) {
            return figure(bench,
                          std::string(topic_metrics) + "Value{name=\"" + std::string(name) + "\"}");
        };
        co_await bench.fill(100);
        co_await bench.move_away();
        EXPECT_GE(count("RemoteCopyRequestsPerSec"), 5);
        EXPECT_GT(count("RemoteCopyBytesPerSec"), 15'000);
        EXPECT_EQ(count("RemoteCopyErrorsPerSec"), 0);
        EXPECT_EQ(count("RemoteFetchRequestsPerSec"), 0);
        EXPECT_EQ(co_await bench.read_first({.offset = 0, .max_bytes = 1000}), 0);
        EXPECT_EQ(count("RemoteFetchRequestsPerSec"), 1);
        double bytes = count("RemoteFetchBytesPerSec");
        EXPECT_GT(bytes, 500);
        EXPECT_LE(bytes, 1000);
        co_await bench.until([&] { return value("RemoteLogMetadataCount") >= 5; });
        EXPECT_GT(value("RemoteLogSizeBytes"), 15'000);
        EXPECT_EQ(value("RemoteDeleteLagBytes"), 0);
        std::string labels = "Value{name=\"RetentionSizeInPercent\",topic=\"t\",partition=\"0\"}";
        std::string percent = "kafka_log_remote_RemoteLogManager_" + labels;
        EXPECT_GT(figure(bench, percent), 75);

        bench.store.broken = true;
        co_await bench.fill(100);
        EXPECT_FALSE(co_await bench.tiered->read({.offset = 60, .max_bytes = 1000}));
        EXPECT_EQ(count("RemoteFetchErrorsPerSec"), 1);
        bench.store.broken = false;
        co_await bench.move_away();
        co_await bench.until([&] { return count("RemoteDeleteRequestsPerSec") >= 4; });
        EXPECT_EQ(count("RemoteDeleteErrorsPerSec"), 0);
        bench.tiered->read_expired();
        bench.tiered->search_expired();
        EXPECT_EQ(
            figure(bench, "kafka_server_DelayedRemoteFetchMetrics_Count{name=\"ExpiresPerSec\"}"),
            1);
        EXPECT_EQ(
            figure(bench,
                   "kafka_server_DelayedRemoteListOffsetsMetrics_Count{name=\"ExpiresPerSec\"}"),
            1);
    });
}

}  // namespace
}  // namespace millrace::broker
