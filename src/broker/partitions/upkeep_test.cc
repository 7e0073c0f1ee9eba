// What the logs of a shard's partitions are given from time to time, in the simulator.

#include "broker/partitions/upkeep.h"

#include <algorithm>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <tuple>

#include "broker/partitions/partitions_for_tests.h"
#include "config/properties.h"
#include "env/disk.h"
#include "env/sim/world.h"
#include "metrics/declared.h"
#include "records/builder.h"
#include "storage/log_directory.h"
#include "storage/test_batches.h"

namespace millrace::broker {
namespace {

using storage::make_batch;
using storage::Offset;
using storage::TestBatch;

constexpr std::string_view directory_of_t = "/data/t-0";

config::BrokerConfig configured(std::string_view more) {
    std::string text =
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:9092,C://:9093\n"
        "controller.listener.names=C\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\n"
        "log.dirs=/data\nlog.initial.task.delay.ms=10\n";
    text += more;
    auto parsed = config::BrokerConfig::parse(*config::Properties::parse(text));
    EXPECT_TRUE(parsed) << parsed.error().message;
    return *parsed;
}

// One partition that this node leads, with its upkeep.
class UpkeepTest : public testing::Test {
  protected:
    struct Bench {
        Bench(env::Shard& here, const config::BrokerConfig& config)
            : shard(here),
              metrics(here.now()),
              partitions(here, 1, metrics),
              upkeep(here, partitions, config) {}

        Task<Produced> produce(Slice records, std::int16_t acks = 1) {
            return partition->produce(std::move(records), {.acks = acks, .version = 9},
                                      partitions.validator());
        }
        std::vector<std::string> files() {
            std::vector<std::string> names;
            for (const auto& entry : *shard.disk().list(directory_of_t)) {
                names.push_back(entry.name);
            }
            return names;
        }
        std::size_t count(std::string_view suffix) {
            return static_cast<std::size_t>(std::ranges::count_if(
                files(), [&](const std::string& name) { return name.ends_with(suffix); }));
        }
        Task<void> pass(std::int64_t ms) {
            co_await env::sleep_for(shard, Duration::milliseconds(ms));
        }

        env::Shard& shard;
        metrics::Registry metrics;
        Partitions partitions;
        Upkeep upkeep;
        storage::LogDirectory* directory = nullptr;
        std::shared_ptr<Partition> partition;
        int saves = 0;
        std::function<void()> while_saving;
    };

    void run(std::string_view node_lines, config::ConfigMap topic,
             std::function<Task<void>(Bench&)> body) {
        env::sim::World world(3);
        env::sim::Node& node = world.add_node("node");
        int code = world.run(node, [&](env::Shard& here) -> Task<int> {
            config::BrokerConfig config = configured(node_lines);
            auto directory = storage::LogDirectory::open(here.disk(), "/data");
            EXPECT_TRUE(directory);
            Bench bench(here, config);
            co_await open(bench, **directory, config, topic);
            auto save = [&bench]() -> Task<Result<>> {
                ++bench.saves;
                if (bench.while_saving) bench.while_saving();
                co_return Result<>{};
            };
            bench.upkeep.start(save);
            if (bench.partition != nullptr) co_await body(bench);
            co_await bench.upkeep.stop();
            bench.partition.reset();
            (void)co_await close_all(bench.partitions);
            co_return 0;
        });
        EXPECT_EQ(code, 0);
    }

  private:
    static Task<void> open(Bench& bench, storage::LogDirectory& directory,
                           const config::BrokerConfig& config, const config::ConfigMap& topic) {
        metadata::Partition state;
        state.leader = 1;
        state.replicas = state.isr = {1};
        PartitionOpening opening{.identity = {"t", Uuid{1, 2}, 0},
                                 .directory = &directory,
                                 .origin = {},
                                 .state = state,
                                 .config = config::TopicConfig::effective(config, topic)};
        co_await bench.partitions.open(std::move(opening), NodeTerms::of(config));
        bench.directory = &directory;
        bench.partition = bench.partitions.find({Uuid{1, 2}, 0});
        EXPECT_NE(bench.partition, nullptr);
    }
};

TEST_F(UpkeepTest, SoManyRecordsAreFlushedBeforeTheAnswer) {
    run("", {{"flush.messages", "3"}, {"retention.ms", "-1"}}, [](Bench& bench) -> Task<void> {
        storage::Log& log = bench.partition->log();
        EXPECT_EQ((co_await bench.produce(make_batch({.records = 2}))).error, ErrorCode::none);
        EXPECT_EQ(log.flushed_end_offset(), 0);
        EXPECT_EQ((co_await bench.produce(make_batch({.records = 1}))).error, ErrorCode::none);
        EXPECT_EQ(log.flushed_end_offset(), 3);
        EXPECT_EQ((co_await bench.produce(make_batch({.records = 1}))).error, ErrorCode::none);
        EXPECT_EQ(log.flushed_end_offset(), 3);
    });
}

TEST_F(UpkeepTest, WhatLaySoLongIsFlushed) {
    run("log.flush.scheduler.interval.ms=100\n", {{"flush.ms", "1000"}, {"retention.ms", "-1"}},
        [](Bench& bench) -> Task<void> {
            storage::Log& log = bench.partition->log();
            co_await bench.produce(make_batch({.records = 2}));
            co_await bench.pass(900);
            EXPECT_EQ(log.flushed_end_offset(), 0);
            co_await bench.pass(300);
            EXPECT_EQ(log.flushed_end_offset(), 2);
            co_await bench.produce(make_batch({.records = 2}));
            co_await bench.pass(500);
            EXPECT_EQ(log.flushed_end_offset(), 2);
            co_await bench.pass(800);
            EXPECT_EQ(log.flushed_end_offset(), 4);
            auto& timer =
                bench.metrics.timer(metrics::declared::log_flush_stats_log_flush_rate_and_time_ms);
            EXPECT_EQ(timer.meter().count(), 2U);
        });
}

TEST_F(UpkeepTest, WithoutAFlushTimeEachLookFlushes) {
    run("log.flush.scheduler.interval.ms=300\n", {{"retention.ms", "-1"}},
        [](Bench& bench) -> Task<void> {
            co_await bench.produce(make_batch({.records = 2}));
            co_await bench.pass(100);
            EXPECT_EQ(bench.partition->log().flushed_end_offset(), 0);
            co_await bench.pass(600);
            EXPECT_EQ(bench.partition->log().flushed_end_offset(), 2);
        });
}

TEST_F(UpkeepTest, ACompleteSegmentIsFlushedSoon) {
    run("", {{"internal.segment.bytes", "300"}, {"retention.ms", "-1"}},
        [](Bench& bench) -> Task<void> {
            storage::Log& log = bench.partition->log();
            for (int i = 0; i < 5; ++i) co_await bench.produce(make_batch({.value_size = 50}));
            EXPECT_GT(log.active_segment_base(), 0);
            co_await bench.pass(100);
            EXPECT_GE(log.flushed_end_offset(), log.active_segment_base());
        });
}

TEST_F(UpkeepTest, SegmentsGoAfterTheirStartIsSavedAndFilesAfterTheDelay) {
    run("log.retention.check.interval.ms=1000\n",
        {{"internal.segment.bytes", "300"},
         {"retention.bytes", "0"},
         {"file.delete.delay.ms", "700"}},
        [](Bench& bench) -> Task<void> {
            std::size_t logs = 0;
            Offset start = 0;
            bench.while_saving = [&] {
                logs = bench.count(".log");
                start = bench.partition->log().start_offset();
            };
            co_await bench.pass(500);  // the first round found nothing
            EXPECT_EQ(bench.saves, 0);
            for (int i = 0; i < 5; ++i) co_await bench.produce(make_batch({.value_size = 50}));
            std::size_t before = bench.count(".log");
            EXPECT_GT(before, 1U);
            co_await bench.pass(600);
            EXPECT_EQ(bench.saves, 1);
            EXPECT_EQ(start, 5);
            EXPECT_EQ(logs, before + 1);  // one for what comes
            EXPECT_EQ(bench.count(".log"), 1U);
            EXPECT_EQ(bench.count(".log.deleted"), before);
            co_await bench.pass(550);
            EXPECT_EQ(bench.count(".log.deleted"), before);
            co_await bench.pass(200);
            EXPECT_EQ(bench.count(".deleted"), 0U);
            EXPECT_EQ((co_await bench.produce(make_batch())).base_offset, 5);
        });
}

TEST_F(UpkeepTest, ADirectoryThatCannotSaveItsStartsKeepsItsSegments) {
    run("log.retention.check.interval.ms=100\n",
        {{"internal.segment.bytes", "300"}, {"retention.bytes", "0"}},
        [](Bench& bench) -> Task<void> {
            for (int i = 0; i < 5; ++i) co_await bench.produce(make_batch({.value_size = 50}));
            bench.while_saving = [&] {
                bench.directory->health().fail({ErrorCode::kafka_storage_error, "no checkpoint"});
            };
            co_await bench.pass(500);
            EXPECT_EQ(bench.saves, 1);
            EXPECT_GT(bench.count(".log"), 1U);
            EXPECT_EQ(bench.count(".deleted"), 0U);
        });
}

TEST_F(UpkeepTest, SilentProducersAreForgotten) {
    run("producer.id.expiration.ms=1000\nproducer.id.expiration.check.interval.ms=400\n", {},
        [](Bench& bench) -> Task<void> {
            TestBatch batch{.timestamp = bench.shard.wall_ms(), .producer_id = 5};
            co_await bench.produce(make_batch(batch));
            co_await bench.pass(900);
            EXPECT_EQ(bench.partition->producer_count(), 1U);
            co_await bench.pass(500);
            EXPECT_EQ(bench.partition->producer_count(), 0U);
        });
}

TEST_F(UpkeepTest, RecordsAreCompressedWithTheLevelOfTheTopic) {
    for (const auto& [codec, low, high] :
         {std::tuple{"gzip", "1", "9"}, {"lz4", "1", "17"}, {"zstd", "-7", "22"}}) {
        std::vector<std::uint64_t> sizes;
        for (const char* level : {low, high}) {
            config::ConfigMap topic{{"compression.type", codec},
                                    {fmt::format("compression.{}.level", codec), level}};
            run("", topic, [&](Bench& bench) -> Task<void> {
                std::string text;
                for (int i = 0; i < 3000; ++i) text += std::to_string(i * i % 977) + ",";
                BatchBuilder builder;
                builder.append(1000, as_bytes("k"), as_bytes(text));
                auto produced = co_await bench.produce(builder.build());
                EXPECT_EQ(produced.error, ErrorCode::none) << produced.message;
                sizes.push_back(bench.partition->log().size());
            });
        }
        ASSERT_EQ(sizes.size(), 2U);
        EXPECT_GT(sizes[0], sizes[1]) << codec;
    }
}

TEST_F(UpkeepTest, TheSizeIsToldInPartsOfItsLimit) {
    for (const char* limit : {"-1", "0", "1000", "100"}) {
        run("log.retention.check.interval.ms=100000\n", {{"retention.bytes", limit}},
            [&](Bench& bench) -> Task<void> {
                co_await bench.pass(100);
                co_await bench.produce(make_batch({.value_size = 500}));
                std::int64_t most = std::stoll(limit);
                auto size = static_cast<std::int64_t>(bench.partition->log().size());
                std::int64_t percent = most > 0 ? size * 100 / most : 0;
                std::string told = bench.metrics.snapshot(bench.shard.now()).text();
                std::size_t at = told.find("\nkafka_log_Log_Value{name=\"RetentionSizeInPercent\"");
                EXPECT_NE(at, std::string::npos) << told;
                std::string line = told.substr(at + 1, told.find('\n', at + 1) - at - 1);
                EXPECT_TRUE(line.ends_with(fmt::format(" {}", percent))) << line;
            });
    }
}

}  // namespace
}  // namespace millrace::broker
