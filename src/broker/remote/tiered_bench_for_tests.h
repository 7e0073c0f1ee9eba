#pragma once

#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>

#include "broker/partitions/partitions_for_tests.h"
#include "broker/remote/metadata_log.h"
#include "broker/remote/remote_indexes.h"
#include "broker/remote/remote_metrics.h"
#include "broker/remote/remote_quotas.h"
#include "broker/remote/remote_services.h"
#include "broker/remote/tiered_partition.h"
#include "config/properties.h"
#include "core/metadata/replay.h"
#include "core/metadata/topic_names.h"
#include "env/disk.h"
#include "env/sim/world.h"
#include "storage/log_directory.h"
#include "storage/remote/directory_store.h"
#include "storage/test_batches.h"

namespace millrace::broker {

// Counts the reads of segments, and fails them while it is told to.
class CountingStore final : public storage::remote::ObjectStore {
  public:
    explicit CountingStore(storage::remote::ObjectStore& store) : store_(store) {}
    Result<> put(std::string_view key, storage::remote::ObjectSource& source) override {
        if (broken) return failure(key);
        return store_.put(key, source);
    }
    Result<Buffer> get(std::string_view key, std::uint64_t offset, std::uint64_t size) override {
        if (broken) return failure(key);
        if (key.ends_with(".log")) ++reads;
        return store_.get(key, offset, size);
    }
    Result<> remove(std::string_view key) override {
        if (broken) return failure(key);
        return store_.remove(key);
    }
    Result<std::vector<std::string>> list(std::string_view prefix) override {
        return store_.list(prefix);
    }
    void stop() override { store_.stop(); }

    bool broken = false;
    int reads = 0;

  private:
    static std::unexpected<Error> failure(std::string_view key) {
        return fail(ErrorCode::kafka_storage_error, "the test broke " + std::string(key));
    }
    storage::remote::ObjectStore& store_;
};

// One tiered partition "t-0" that this node leads, its store, and the only partition of
// __remote_log_metadata.
class TieredBench {
  public:
    static constexpr Uuid topic_id{1, 2};
    static constexpr Uuid metadata_topic_id{3, 4};

    TieredBench(env::Shard& here, config::BrokerConfig node_config, config::ConfigMap of_topic)
        : shard(here),
          config(std::move(node_config)),
          topic(config::TopicConfig::effective(config, of_topic)),
          directory(opened(storage::LogDirectory::open(here.disk(), "/data"))),
          remote(opened(storage::remote::DirectoryStore::open(here.disk(), "/remote", 1))),
          store(*remote),
          registry(here.now()),
          partitions(here, 1, registry),
          router(here, {&partitions}),
          indexes(here, store, config),
          quotas(config),
          metrics(registry),
          metadata_log(here, 1, router, cache, config),
          services{.shard = here,
                   .node_id = 1,
                   .config = config,
                   .store = store,
                   .indexes = indexes.cache,
                   .reader = indexes.reader,
                   .metadata = metadata_log,
                   .quotas = quotas,
                   .metrics = metrics,
                   .copies = {},
                   .removals = {},
                   .reads = {},
                   .read_ahead = {}} {}

    Task<void> open() {
        EXPECT_TRUE(co_await indexes.start());
        cache.publish(image());
        NodeTerms node = NodeTerms::of(config);
        co_await partitions.open(opening("t", topic_id, topic), node);
        co_await partitions.open(
            opening(std::string(metadata::remote_log_metadata_topic), metadata_topic_id,
                    config::TopicConfig::effective(config, {})),
            node);
        partition = partitions.find({topic_id, 0});
        CHECK(partition != nullptr);
        begin();
    }
    void begin() {
        tiered = std::make_shared<TieredPartition>(services, partition);
        partition->set_remote_log(tiered);
        tiered->start();
    }
    Task<void> end() {
        co_await tiered->stop();
        tiered.reset();
    }
    Task<void> close() {
        if (tiered) co_await end();
        co_await metadata_log.close();
        co_await indexes.stop();
        partition.reset();
        EXPECT_TRUE(co_await close_all(partitions));
    }

    Task<void> append(Slice batch) {
        Produced produced = co_await partition->produce(
            std::move(batch), {.acks = 1, .version = 9, .transactional = true},
            partitions.validator());
        EXPECT_EQ(produced.error, ErrorCode::none) << produced.message;
    }
    // So many batches of a record of a hundred bytes.
    Task<void> fill(int batches, std::size_t value_size = 100) {
        for (int i = 0; i < batches; ++i) {
            co_await append(storage::make_batch({.value_size = value_size}));
        }
    }
    // All records so far, with the last segment's, are in remote storage only.
    Task<void> move_away() {
        storage::Log& log = partition->log();
        EXPECT_TRUE(co_await log.durable(log.end_offset()));
        EXPECT_TRUE(log.roll());
        co_await until([&] { return partition->copied_end() == log.end_offset(); });
        EXPECT_TRUE(co_await log.advance_local_start(log.end_offset()));
        EXPECT_EQ(log.local_start_offset(), log.end_offset());
    }
    Task<void> until(std::function<bool()> done) {
        for (int i = 0; i < 100'000 && !done(); ++i) co_await pass(10);
        EXPECT_TRUE(done());
    }
    Task<void> pass(std::int64_t ms) { co_await env::sleep_for(shard, Duration::milliseconds(ms)); }
    // The offsets of the batches that a fetch gets.
    Task<std::vector<storage::Offset>> read(RemoteReadRequest request) {
        std::vector<storage::Offset> offsets;
        auto read = co_await tiered->read(request);
        EXPECT_TRUE(read) << read.error().message;
        if (!read) co_return offsets;
        BatchReader reader(read->records.bytes());
        for (auto batch = reader.next(); batch && *batch; batch = reader.next()) {
            offsets.push_back((*batch)->base_offset());
        }
        co_return offsets;
    }
    // The first of them; -1 when there is none.
    Task<storage::Offset> read_first(RemoteReadRequest request) {
        auto offsets = co_await read(request);
        co_return offsets.empty() ? -1 : offsets.front();
    }
    std::string figures() { return registry.snapshot(shard.now()).text(); }

    env::Shard& shard;
    config::BrokerConfig config;
    config::TopicConfig topic;
    std::unique_ptr<storage::LogDirectory> directory;
    std::unique_ptr<storage::remote::DirectoryStore> remote;
    CountingStore store;
    metrics::Registry registry;
    Partitions partitions;
    PartitionRouter router;
    MetadataCache cache;
    RemoteIndexes indexes;
    RemoteQuotas quotas;
    RemoteMetrics metrics;
    RemoteMetadataLog metadata_log;
    RemoteServices services;
    std::shared_ptr<Partition> partition;
    std::shared_ptr<TieredPartition> tiered;

  private:
    template <typename T>
    static T opened(Result<T> result) {
        CHECK(result.has_value());
        return *std::move(result);
    }
    PartitionOpening opening(std::string name, Uuid id, config::TopicConfig of_topic) {
        metadata::Partition state;
        state.leader = 1;
        state.replicas = state.isr = {1};
        return {.identity = {std::move(name), id, 0},
                .directory = directory.get(),
                .origin = {},
                .state = state,
                .config = std::move(of_topic)};
    }
    static metadata::ImagePtr image() {
        metadata::Replay replay;
        std::int64_t offset = 0;
        auto add = [&](metadata::MetadataRecord record) {
            CHECK(replay.apply({std::move(record), 0}, offset++, 1).has_value());
        };
        auto add_topic = [&](std::string name, const Uuid& id) {
            TopicRecord made;
            made.name = std::move(name);
            made.topic_id = id;
            add(std::move(made));
            PartitionRecord first;
            first.topic_id = id;
            first.partition_id = 0;
            first.replicas = first.isr = {1};
            first.leader = 1;
            first.leader_epoch = first.partition_epoch = 0;
            add(std::move(first));
        };
        add_topic("t", topic_id);
        add_topic(std::string(metadata::remote_log_metadata_topic), metadata_topic_id);
        return replay.image();
    }
};

// Runs `body` with a bench in a simulated world; lines of `node` and `topic` win over small
// segments and short intervals.
class TieredBenchTest : public testing::Test {
  protected:
    static void run(std::string_view node, config::ConfigMap topic,
                    std::function<Task<void>(TieredBench&)> body) {
        env::sim::World world(3);
        env::sim::Node& machine = world.add_node("node");
        ASSERT_TRUE(machine.disk().make_directories("/remote"));
        int code = world.run(machine, [&](env::Shard& here) -> Task<int> {
            topic.try_emplace("remote.storage.enable", "true");
            topic.try_emplace("internal.segment.bytes", "3000");
            topic.try_emplace("retention.ms", "-1");  // test records bear timestamps of 1970
            TieredBench bench(here, configured(node), topic);
            co_await bench.open();
            co_await body(bench);
            co_await bench.close();
            co_return 0;
        });
        EXPECT_EQ(code, 0);
    }

  private:
    static config::BrokerConfig configured(std::string_view more) {
        std::string text =
            "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:9092,C://:9093\n"
            "controller.listener.names=C\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\nlog.dirs=/data\n"
            "remote.log.storage.system.enable=true\nremote.log.manager.task.interval.ms=100\n";
        text += more;
        auto parsed = config::BrokerConfig::parse(*config::Properties::parse(text));
        CHECK(parsed.has_value());
        return *parsed;
    }
};

}  // namespace millrace::broker
