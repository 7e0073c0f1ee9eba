// A node that compacts: its cleaner finds what is dirty, keeps to its configs, writes its
// checkpoint, and leaves out what cannot be compacted.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>

#include "client/admin_configs.h"
#include "env/disk.h"
#include "records/batch.h"
#include "server/clients_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr int keys = 10;
constexpr int rounds = 30;

class CompactionSimulation : public testing::Test {
  protected:
    void begin(std::uint64_t seed, std::string_view more = {}) {
        world_ = std::make_unique<env::sim::World>(
            seed, env::sim::World::Options{.shuffle_coroutines = seed % 2 == 0});
        log_ = std::make_unique<SimulatedLog>(*world_);
        node_ = std::make_unique<SimulatedNode>(
            *world_, static_cast<int>(1 + seed % 3),
            fmt::format("log.cleaner.backoff.ms=1000\nlog.cleaner.threads=2\n{}", more));
        clients_ = &world_->add_node("clients");
        start();
    }
    void TearDown() override {
        if (world_ == nullptr) return;
        for (const auto& each : world_->nodes()) world_->crash(*each);
        node_.reset();
        log_.reset();
        world_.reset();
    }
    void start() {
        node_->start_and_wait();
        ASSERT_TRUE(node_->ready());
    }
    void on_clients(std::function<Task<void>(env::Shard&)> body) {
        run_on(*world_, *clients_, body);
    }
    void create(const std::string& topic, std::map<std::string, std::string> configs = {}) {
        configs.try_emplace("cleanup.policy", "compact");
        configs.try_emplace("internal.segment.bytes", "2000");
        configs.try_emplace("min.cleanable.dirty.ratio", "0.01");
        on_admin([=](client::Admin& admin) -> Task<void> {
            client::NewTopic wanted{.name = topic, .partitions = 1, .configs = configs};
            EXPECT_TRUE((co_await client::create_topics(admin, {wanted})).at(topic));
        });
    }
    void alter(client::ResourceType type, const std::string& resource, const std::string& name,
               const std::string& value) {
        on_admin([=](client::Admin& admin) -> Task<void> {
            client::ConfigResource key{type, resource};
            auto altered = co_await client::alter_configs(
                admin, {{key, {client::ConfigChange{.name = name, .value = value}}}});
            EXPECT_TRUE(altered.at(key)) << altered.at(key).error().message;
        });
    }
    void on_admin(std::function<Task<void>(client::Admin&)> body) {
        on_clients([&](env::Shard& shard) { return with_admin(shard, body); });
    }
    // Every key once a round, with the round as its value.
    void produce(const std::string& topic) {
        on_clients([&](env::Shard& shard) {
            return with_producer(shard, "linger.ms=0\n", [&](client::Producer& to) -> Task<void> {
                for (int round = 0; round < rounds; ++round) {
                    for (int i = 0; i < keys; ++i) {
                        std::string key = fmt::format("key-{}", i);
                        std::string value = fmt::format("{}", round);
                        auto sent = co_await to.send(
                            {.topic = topic, .key = as_bytes(key), .value = as_bytes(value)});
                        EXPECT_TRUE(sent);
                        if (round % 3 == 0) EXPECT_TRUE(co_await sent->get());
                    }
                    co_await to.flush();
                }
            });
        });
    }
    // The last value of each key, and how many records there are.
    std::map<std::string, std::string> read(const std::string& topic, std::size_t& count) {
        std::map<std::string, std::string> latest;
        count = 0;
        on_clients([&](env::Shard& shard) {
            return with_consumer(shard, "", [&](client::Consumer& consumer) -> Task<void> {
                client::TopicPartition partition{topic, 0};
                EXPECT_TRUE(consumer.assign({partition}));
                EXPECT_TRUE(consumer.seek(partition, 0));
                std::int64_t end = (co_await consumer.end_offsets({partition}))->at(partition);
                EXPECT_EQ(end, keys * rounds);
                Time most = shard.now() + Duration::seconds(100);
                std::int64_t last = -1;
                while (last + 1 < end && shard.now() < most) {
                    auto records = co_await consumer.poll(Duration::seconds(1));
                    EXPECT_TRUE(records);
                    if (!records) co_return;
                    for (const auto& batch : records->batches) {
                        for (const Record& record : batch.records) {
                            EXPECT_GT(record.offset, last);
                            last = record.offset;
                            ++count;
                            latest[std::string(as_string(*record.key))] = as_string(*record.value);
                        }
                    }
                }
                EXPECT_EQ(last, end - 1);
            });
        });
        return latest;
    }
    void expect_compacted(const std::string& topic) {
        std::size_t count = 0;
        auto latest = read(topic, count);
        EXPECT_EQ(latest.size(), static_cast<std::size_t>(keys));
        for (const auto& [key, value] : latest) EXPECT_EQ(value, std::to_string(rounds - 1)) << key;
        EXPECT_LT(count, static_cast<std::size_t>(keys * rounds / 3));
    }
    // Bytes of the partition's .log files.
    std::uint64_t size_of(const std::string& topic) {
        std::uint64_t size = 0;
        auto entries = node_->disk().list("/data/" + topic + "-0");
        if (!entries) return 0;
        for (const auto& entry : *entries) {
            if (entry.name.ends_with(".log")) size += entry.size;
        }
        return size;
    }
    std::string checkpoint() {
        auto text = env::read_file(node_->disk(), "/data/cleaner-offset-checkpoint");
        return text.value_or("");
    }
    bool wait_until(const std::function<bool()>& done) {
        return world_->run_until(done, Duration::seconds(600));
    }

    // Once the cleaner has been wherever it can.
    bool is_compacted(const std::string& topic) { return size_of(topic) < 5'000; }

    std::unique_ptr<env::sim::World> world_;
    std::unique_ptr<SimulatedLog> log_;
    std::unique_ptr<SimulatedNode> node_;
    env::sim::Node* clients_ = nullptr;
};

TEST_F(CompactionSimulation, TheLatestOfEachKeyStaysThroughRestarts) {
    for_seeds(3, [&](std::uint64_t seed) {
        TearDown();
        begin(seed);
        create("t");
        produce("t");
        EXPECT_TRUE(wait_until([&] { return is_compacted("t"); })) << size_of("t");
        EXPECT_TRUE(wait_until([&] { return checkpoint().contains("t 0 "); })) << checkpoint();
        expect_compacted("t");
        std::string before = checkpoint();
        switch (seed % 3) {
            case 0:
                node_->kill();
                break;
            case 1:
                node_->lose_power();
                break;
            default:
                node_->ask_to_stop();
                EXPECT_TRUE(wait_until([&] { return !node_->running(); }));
                break;
        }
        start();
        expect_compacted("t");
        EXPECT_EQ(checkpoint(), before);
    });
}

TEST_F(CompactionSimulation, ALogThatCannotBeCompactedIsLeftOutAlone) {
    begin(1);
    create("bad", {{"min.compaction.lag.ms", "1000000000"}});
    create("good", {{"min.compaction.lag.ms", "1000000000"}});
    produce("bad");
    produce("good");
    node_->disk().rot("/data/bad-0/00000000000000000000.log", batch_header_size + 10);
    std::uint64_t size = size_of("bad");
    alter(client::ResourceType::topic, "bad", "min.compaction.lag.ms", "0");
    alter(client::ResourceType::topic, "good", "min.compaction.lag.ms", "0");
    EXPECT_TRUE(wait_until([&] { return is_compacted("good"); }));
    EXPECT_EQ(size_of("bad"), size);
    expect_compacted("good");
    EXPECT_TRUE(checkpoint().contains("good 0 "));
    EXPECT_FALSE(checkpoint().contains("bad 0 "));
}

TEST_F(CompactionSimulation, TheThrottleHoldsUntilItIsRaised) {
    begin(2, "log.cleaner.io.max.bytes.per.second=10\n");
    create("t");
    produce("t");
    std::uint64_t size = size_of("t");
    world_->run_for(Duration::seconds(100));
    EXPECT_EQ(size_of("t"), size);
    alter(client::ResourceType::broker, "", "log.cleaner.io.max.bytes.per.second", "1000000");
    EXPECT_TRUE(wait_until([&] { return is_compacted("t"); }));
    expect_compacted("t");
}

TEST_F(CompactionSimulation, CompactAndDeleteDoesBoth) {
    begin(4, "log.retention.check.interval.ms=1000\n");
    create("t", {{"cleanup.policy", "compact,delete"}, {"retention.ms", "200000"}});
    produce("t");
    EXPECT_TRUE(wait_until([&] { return is_compacted("t"); }));
    EXPECT_TRUE(wait_until([&] { return checkpoint().contains("t 0 "); }));
    expect_compacted("t");
    EXPECT_TRUE(wait_until([&] { return size_of("t") == 0; })) << size_of("t");
    produce("t");
    EXPECT_TRUE(wait_until([&] { return size_of("t") > 0 && is_compacted("t"); }));
}

TEST_F(CompactionSimulation, ADeletedTopicLeavesTheCheckpoint) {
    begin(3);
    create("gone");
    create("t");
    produce("gone");
    EXPECT_TRUE(wait_until([&] { return checkpoint().contains("gone 0 "); }));
    on_admin([](client::Admin& admin) -> Task<void> {
        EXPECT_TRUE((co_await client::delete_topics(admin, {"gone"})).at("gone"));
    });
    produce("t");
    EXPECT_TRUE(wait_until([&] { return checkpoint().contains("t 0 "); }));
    EXPECT_FALSE(checkpoint().contains("gone"));
}

}  // namespace
}  // namespace millrace::server
