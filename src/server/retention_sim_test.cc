// A node that removes old records while it is killed, loses its power or is shut down: what is left
// has no gap, what was written down as removed stays removed, and nothing else goes.

#include <gtest/gtest.h>
#include <map>
#include <vector>

#include "client/admin_offsets.h"
#include "server/clients_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_node_for_tests.h"
#include "storage/checkpoint_file.h"

namespace millrace::server {
namespace {

using client::TopicPartition;

constexpr int partitions = 2;
constexpr Duration checkpoint_interval = Duration::seconds(3);
constexpr std::string_view node_config =
    "log.initial.task.delay.ms=100\n"
    "log.retention.check.interval.ms=700\n"
    "log.segment.delete.delay.ms=400\n"
    "log.flush.start.offset.checkpoint.interval.ms=3000\n"
    "log.flush.offset.checkpoint.interval.ms=1500\n"
    "log.index.interval.bytes=200\n";

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          node_(world_, static_cast<int>(1 + seed % 3), node_config),
          clients_(world_.add_node("clients")) {}
    Trial(const Trial&) = delete;
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    void run() {
        start();
        by_time_ = random().chance(0.4);
        on_clients([this](env::Shard& shard) { return make_topic(shard); });
        for (int round = 0; round < 8 && !testing::Test::HasFailure(); ++round) {
            on_clients([this](env::Shard& shard) { return produce(shard); });
            pass(Duration::microseconds(random().between(0, 4'000'000)));
            on_clients([this](env::Shard& shard) { return observe(shard); });
            if (!by_time_ && random().chance(0.6)) {
                on_clients([this](env::Shard& shard) { return delete_some(shard); });
            }
            pass(Duration::microseconds(random().between(0, 5'000'000)));
            end_somehow();
            start();
            on_clients([this](env::Shard& shard) { return check(shard); });
        }
        finish();
    }
    std::int64_t removed() const { return removed_; }

  private:
    using Body = std::function<Task<void>(env::Shard&)>;
    // Where a log was seen to begin, and when.
    struct Seen {
        Time when;
        std::int64_t start = 0;
    };
    Random& random() { return world_.random(); }
    static TopicPartition name(int index) { return {"t", index}; }
    static std::vector<TopicPartition> names() {
        std::vector<TopicPartition> all;
        for (int i = 0; i < partitions; ++i) all.push_back(name(i));
        return all;
    }

    void on_clients(Body body) {
        if (testing::Test::HasFailure()) return;
        run_on(world_, clients_, body);
    }
    void pass(Duration time) { world_.run_for(time); }
    void start() {
        if (testing::Test::HasFailure() || node_.running()) return;
        node_.start();
        EXPECT_TRUE(world_.run_until([&] { return node_.ready(); }));
    }
    void end_somehow() {
        ended_ = world_.now();
        switch (random().below(4)) {
            case 0:
                return node_.kill();
            case 1:
            case 2:
                return node_.lose_power();
            default:
                node_.ask_to_stop();
                EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }));
        }
    }

    Task<void> make_topic(env::Shard& shard) {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            client::NewTopic topic;
            topic.name = "t";
            topic.partitions = partitions;
            topic.configs = {
                {"internal.segment.bytes", std::to_string(random().between(1800, 5000))}};
            if (by_time_) {
                topic.configs["retention.ms"] = "6000";
            } else {
                topic.configs["retention.bytes"] = std::to_string(random().between(0, 9000));
            }
            auto created = co_await client::create_topics(admin, {topic});
            EXPECT_TRUE(created.at("t"));
        });
    }
    // The record at each offset holds it.
    Task<void> produce(env::Shard& shard) {
        std::string lines = fmt::format("linger.ms={}\nbatch.size=1000\n", random().between(0, 5));
        co_await with_producer(shard, lines, [&](client::Producer& producer) -> Task<void> {
            std::vector<client::Delivery> deliveries;
            for (int i = 0; i < 40; ++i) {
                auto partition = static_cast<std::int32_t>(random().below(partitions));
                std::string value = fmt::format("{} ", ends_[partition]++);
                value.append(random().below(300), 'x');
                auto sent = co_await producer.send(
                    {.topic = "t", .partition = partition, .value = as_bytes(value)});
                EXPECT_TRUE(sent);
                if (sent) deliveries.push_back(*sent);
                if (!random().chance(0.3)) continue;
                co_await env::sleep_for(shard, Duration::milliseconds(random().between(0, 50)));
            }
            for (const auto& each : deliveries) {
                auto stored = co_await each.get();
                EXPECT_TRUE(stored) << (stored ? "" : stored.error().message);
            }
        });
    }
    Task<void> observe(env::Shard& shard) {
        co_await with_consumer(shard, "", [&](client::Consumer& consumer) -> Task<void> {
            Time before = world_.now();
            auto begins = co_await consumer.beginning_offsets(names());
            EXPECT_TRUE(begins);
            if (!begins) co_return;
            for (const auto& [partition, start] : *begins) {
                seen_[partition.partition].push_back({before, start});
            }
        });
    }
    Task<void> delete_some(env::Shard& shard) {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::map<TopicPartition, std::int64_t> to;
            for (int i = 0; i < partitions; ++i) to[name(i)] = random().between(0, ends_[i]);
            (void)co_await client::delete_records(admin, to);
        });
        co_await observe(shard);
    }

    Task<void> check(env::Shard& shard) {
        auto checkpoint =
            storage::read_offset_checkpoint(node_.disk(), "/data/log-start-offset-checkpoint");
        EXPECT_TRUE(checkpoint);
        std::map<int, std::int64_t> starts;
        auto body = [&](client::Consumer& consumer) -> Task<void> {
            auto begins = co_await consumer.beginning_offsets(names());
            EXPECT_TRUE(begins);
            if (!begins) co_return;
            EXPECT_TRUE(consumer.assign(names()));
            EXPECT_TRUE(consumer.seek_to_beginning());
            for (int i = 0; i < partitions; ++i) {
                starts[i] = begins->at(name(i));
                removed_ = std::max(removed_, starts[i]);
            }
            co_await read_all(shard, consumer);
        };
        co_await with_consumer(shard, "auto.offset.reset=earliest\n", body);
        if (!checkpoint || testing::Test::HasFailure()) co_return;
        for (int i = 0; i < partitions; ++i) {
            std::int64_t least = 0;
            auto written = checkpoint->find({"t", i});
            if (written != checkpoint->end()) least = written->second;
            // What was seen so long ago has been written down.
            for (const Seen& each : seen_[i]) {
                bool old = each.when + checkpoint_interval + Duration::seconds(1) < ended_;
                if (old) least = std::max(least, each.start);
            }
            EXPECT_GE(starts[i], least) << name(i).partition << ": removed records came back";
            EXPECT_LE(starts[i], ends_[i]);
            seen_[i] = {{world_.now(), starts[i]}};
        }
    }
    // Each partition from where the first record is found to its end, without a gap.
    Task<void> read_all(env::Shard& shard, client::Consumer& consumer) {
        std::map<int, std::int64_t> next, leaps;
        Time most = shard.now() + Duration::seconds(60);
        auto all_there = [&]() -> Task<bool> {
            for (int i = 0; i < partitions; ++i) {
                auto at = co_await consumer.position(name(i));
                if (!at || *at < ends_[i]) co_return false;
            }
            co_return true;
        };
        while (shard.now() < most && !co_await all_there()) {
            auto records = co_await consumer.poll(Duration::milliseconds(500));
            EXPECT_TRUE(records) << (records ? "" : records.error().message);
            if (!records) co_return;
            for (const auto& batch : records->batches) {
                int partition = batch.partition.partition;
                for (const auto& record : batch.records) {
                    auto [at, first] = next.try_emplace(partition, record.offset);
                    if (record.offset != at->second) leaps[partition] = record.offset;
                    at->second = record.offset + 1;
                    std::string value(as_string(*record.value));
                    EXPECT_EQ(value.substr(0, value.find(' ')), std::to_string(record.offset));
                }
            }
        }
        EXPECT_TRUE(co_await all_there()) << "records are missing at the end";
        // A reader that retention has overtaken goes on at the new start.
        auto begins = co_await consumer.beginning_offsets(names());
        EXPECT_TRUE(begins);
        if (!begins) co_return;
        for (const auto& [partition, offset] : leaps) {
            EXPECT_GE(begins->at(name(partition)), offset) << "a gap in partition " << partition;
        }
    }

    // In the end only what retention leaves is on the disk.
    void finish() {
        if (testing::Test::HasFailure()) return;
        pass(Duration::seconds(30));
        for (int i = 0; i < partitions; ++i) {
            auto files = node_.disk().list(fmt::format("/data/t-{}", i));
            EXPECT_TRUE(files);
            if (!files) continue;
            int logs = 0;
            for (const auto& file : *files) {
                EXPECT_FALSE(file.name.ends_with(".deleted")) << file.name;
                if (file.name.ends_with(".log")) ++logs;
            }
            if (by_time_) EXPECT_EQ(logs, 1);
        }
        if (!by_time_) return;
        on_clients([this](env::Shard& shard) -> Task<void> {
            co_await with_consumer(shard, "", [&](client::Consumer& consumer) -> Task<void> {
                auto begins = co_await consumer.beginning_offsets(names());
                EXPECT_TRUE(begins);
                if (!begins) co_return;
                for (int i = 0; i < partitions; ++i) EXPECT_EQ(begins->at(name(i)), ends_[i]);
            });
        });
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;
    bool by_time_ = false;
    std::map<int, std::int64_t> ends_;
    std::map<int, std::vector<Seen>> seen_;
    Time ended_;
    std::int64_t removed_ = 0;
};

TEST(SimulatedNode, RetentionLeavesNoGapsAndBringsNothingBack) {
    std::int64_t removed = 0;
    std::uint64_t trials = for_seeds(12, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        removed = std::max(removed, trial.removed());
    });
    if (trials >= 12) EXPECT_GT(removed, 100);
}

// A topic that is deleted, and made anew under its name at once, again and again.
class Renewals {
  public:
    explicit Renewals(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          node_(world_, static_cast<int>(1 + seed % 3), node_config),
          clients_(world_.add_node("clients")) {}
    Renewals(const Renewals&) = delete;
    ~Renewals() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    void run() {
        // So that what is decided runs ahead of what is carried out.
        node_.disk().conditions.helper = {Duration::milliseconds(5), Duration::milliseconds(300)};
        for (int round = 0; round < 6 && !testing::Test::HasFailure(); ++round) {
            if (!node_.running()) {
                node_.start();
                EXPECT_TRUE(world_.run_until([&] { return node_.ready(); }));
            }
            if (round > 0) on_clients([&](env::Shard& shard) { return check(shard); });
            on_clients([&](env::Shard& shard) { return renew(shard, round); });
            on_clients([&](env::Shard& shard) { return fill(shard, round); });
            if (random().chance(0.5)) world_.run_for(Duration::seconds(8));  // starts are saved
            std::uint64_t end = random().below(3);
            if (end == 0) node_.kill();
            if (end == 1) node_.lose_power();
        }
    }

  private:
    Random& random() { return world_.random(); }
    void on_clients(const std::function<Task<void>(env::Shard&)>& body) {
        if (testing::Test::HasFailure()) return;
        run_on(world_, clients_, body);
    }
    // Another client makes it while its deletion may still be under way.
    static Task<void> renew(env::Shard& shard, int round) {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            if (round > 0) scope.spawn(remove(shard));
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                for (std::string name : {"t", "other"}) {
                    client::NewTopic topic;
                    topic.name = name;
                    topic.partitions = 1;
                    while (!co_await made(admin, topic)) {
                        co_await env::sleep_for(shard, Duration::milliseconds(2));
                    }
                }
            });
            co_await scope.join();
        });
    }
    static Task<void> remove(env::Shard& shard) {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            for (std::string name : {"other", "t"}) {
                auto deleted = co_await client::delete_topics(admin, {name});
                EXPECT_TRUE(deleted.at(name));
            }
        });
    }
    static Task<bool> made(client::Admin& admin, const client::NewTopic& topic) {
        auto created = co_await client::create_topics(admin, {topic});
        const auto& outcome = created.at(topic.name);
        EXPECT_TRUE(outcome || outcome.error().code == ErrorCode::topic_already_exists);
        co_return outcome.has_value();
    }
    Task<void> check(env::Shard& shard) {
        co_await with_consumer(shard, "", [&](client::Consumer& consumer) -> Task<void> {
            auto ends = co_await consumer.end_offsets({{"t", 0}});
            EXPECT_TRUE(ends);
            if (ends) EXPECT_EQ(ends->at({"t", 0}), count_);
        });
    }
    // What is in it is of this round, from offset 0 on; its start moves somewhere.
    Task<void> fill(env::Shard& shard, int round) {
        count_ = static_cast<int>(random().between(3, 30));
        auto produce = [&](client::Producer& producer) -> Task<void> {
            for (int i = 0; i < count_; ++i) {
                std::string value = fmt::format("{}:{}", round, i);
                auto sent = co_await producer.send({.topic = "t", .value = as_bytes(value)});
                EXPECT_TRUE(sent);
                if (!sent) co_return;
                auto stored = co_await sent->get();
                EXPECT_TRUE(stored) << (stored ? "" : stored.error().message);
                if (stored) EXPECT_EQ(stored->offset, i);
            }
        };
        co_await with_producer(shard, "", produce);
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::map<TopicPartition, std::int64_t> to{{{"t", 0}, random().between(0, count_)}};
            (void)co_await client::delete_records(admin, to);
        });
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;
    int count_ = 0;
};

TEST(SimulatedNode, ATopicMadeAnewHasNothingOfTheOldOne) {
    for_seeds(10, [](std::uint64_t seed) { Renewals(seed).run(); });
}

}  // namespace
}  // namespace millrace::server
