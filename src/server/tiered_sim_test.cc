// A node whose topics are tiered (KIP-405), on a store that fails, while it is killed and loses its
// power: what was acknowledged is read once and in order from the beginning, wherever it is, and
// when the topic has gone nothing of it stays in the store.

#include <gtest/gtest.h>
#include <vector>

#include "client/admin_cluster.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/tiered_world_for_tests.h"

namespace millrace::server {
namespace {

TEST(TieredStorage, OneLogHereAndInTheStore) {
    TieredWorld w(1);
    w.start_and_wait();
    w.create("t", 2, small_and_tiered);
    Ledger ledger("t", 2);
    auto& producer = w.world.add_node("producer");
    producer.start([&](env::Shard& shard) -> Task<int> {
        co_await ledger.produce(shard, 0, 300, patient);
        co_return 0;
    });
    w.wait_for("the producer", [&] { return !producer.running(); });
    w.wait_for("local retention",
               [&] { return w.local_segments("t-0") == 1 && w.local_segments("t-1") == 1; });
    for (std::int32_t partition : {0, 1}) {
        EXPECT_EQ(w.offset("t", partition, client::offset_at::earliest), 0);
        std::int64_t local = w.offset("t", partition, client::offset_at::earliest_local);
        EXPECT_GT(local, 50);
        EXPECT_GE(w.offset("t", partition, client::offset_at::latest_tiered), local - 1);
    }
    w.on_admin([&](env::Shard& shard) { return ledger.check(shard); });

    w.stop_and_wait();
    w.start_and_wait();
    EXPECT_EQ(w.offset("t", 0, client::offset_at::earliest), 0);
    EXPECT_GT(w.offset("t", 0, client::offset_at::earliest_local), 50);
    w.on_admin([&](env::Shard& shard) { return ledger.check(shard); });

    EXPECT_GT(w.stored().size(), 10U);
    w.remove("t");
    w.wait_for("the store", [&] { return w.stored().empty(); });
}

TEST(TieredStorage, GoesOnWhereRecordsWereDeleted) {
    TieredWorld w(2);
    w.start_and_wait();
    w.create("t", 1, small_and_tiered);
    Ledger ledger("t", 1);
    w.on_admin([&](env::Shard& shard) { return ledger.produce(shard, 0, 200, patient); });
    w.wait_for("local retention", [&] { return w.local_segments("t-0") == 1; });
    std::size_t before = w.stored().size();
    w.on_admin([](env::Shard& shard) {
        return with_admin(shard, [](client::Admin& admin) -> Task<void> {
            client::TopicPartition t{"t", 0};
            auto deleted = co_await client::delete_records(admin, {{t, 60}});
            EXPECT_EQ(*deleted.at(t), 60);
        });
    });
    EXPECT_EQ(w.offset("t", 0, client::offset_at::earliest), 60);
    w.wait_for("the store", [&] { return w.stored().size() < before; });
    w.on_admin([](env::Shard& shard) {
        return with_consumer(shard, "auto.offset.reset=none\n",
                             [&](client::Consumer& consumer) -> Task<void> {
                                 client::TopicPartition t{"t", 0};
                                 EXPECT_TRUE(consumer.assign({t}));
                                 EXPECT_TRUE(consumer.seek(t, 60));
                                 std::int64_t next = 60;
                                 while (next < 200) {
                                     auto records = co_await consumer.poll(Duration::seconds(5));
                                     EXPECT_TRUE(records) << records.error().message;
                                     if (!records) co_return;
                                     for (const auto& batch : records->batches) {
                                         for (const auto& record : batch.records)
                                             EXPECT_EQ(record.offset, next++);
                                     }
                                 }
                             });
    });
    w.stop_and_wait();
    w.start_and_wait();
    EXPECT_EQ(w.offset("t", 0, client::offset_at::earliest), 60);
}

TEST(TieredStorage, ExpiresInTheStore) {
    TieredWorld w(3);
    w.start_and_wait();
    TopicConfigs configs = small_and_tiered;
    configs.emplace_back("retention.bytes", "20000");
    w.create("t", 1, configs);
    Ledger ledger("t", 1);
    w.on_admin([&](env::Shard& shard) { return ledger.produce(shard, 0, 250, patient); });
    // Two objects a segment.
    w.wait_for("retention", [&] {
        return w.local_segments("t-0") == 1 && w.stored().size() <= 16 && !w.stored().empty();
    });
    std::int64_t start = w.offset("t", 0, client::offset_at::earliest);
    EXPECT_GT(start, 50);
    EXPECT_LT(start, w.offset("t", 0, client::offset_at::earliest_local));
}

TEST(TieredStorage, LeavesTheStoreWhenItIsSwitchedOff) {
    TieredWorld w(4);
    w.start_and_wait();
    w.create("t", 1, small_and_tiered);
    Ledger ledger("t", 1);
    w.on_admin([&](env::Shard& shard) { return ledger.produce(shard, 0, 200, patient); });
    w.wait_for("local retention", [&] { return w.local_segments("t-0") == 1; });
    std::int64_t local = w.offset("t", 0, client::offset_at::earliest_local);
    w.configure("t", {{"remote.storage.enable", "false"},
                      {"remote.log.delete.on.disable", "true"},
                      {"local.retention.bytes", "-2"}});
    w.wait_for("the store", [&] { return w.stored().empty(); });
    EXPECT_EQ(w.offset("t", 0, client::offset_at::earliest), local);
    EXPECT_EQ(w.offset("t", 0, client::offset_at::latest_tiered), -1);
    w.configure("t", {{"remote.storage.enable", "true"}, {"local.retention.bytes", "1"}});
    w.on_admin([&](env::Shard& shard) { return ledger.produce(shard, 0, 50, patient); });
    w.wait_for("copies", [&] { return !w.stored().empty(); });
    EXPECT_EQ(w.offset("t", 0, client::offset_at::earliest), local);
}

// A topic that goes while the node is away for the rest of its removal.
TEST(TieredStorage, NothingIsLeftOfATopicThatWentBeforeAKill) {
    for_seeds(6, [](std::uint64_t seed) {
        TieredWorld w(seed);
        w.start_and_wait();
        w.create("t", 2, small_and_tiered);
        Ledger ledger("t", 2);
        w.on_admin([&](env::Shard& shard) { return ledger.produce(shard, 0, 200, patient); });
        w.wait_for("copies", [&] { return w.stored().size() > 10; });
        w.faults.before = w.world.random().chance(0.5) ? 0.3 : 0;
        w.remove("t");
        w.world.run_for(Duration::milliseconds(w.world.random().between(0, 60)));
        w.node.lose_power();
        w.faults = {};
        w.start_and_wait();
        w.wait_for("the store", [&] { return w.stored().empty(); });
    });
}

// Kills, power cuts, shutdowns and moves at any moment, on a store that fails.
class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : w_(seed, static_cast<int>(1 + seed % 3),
             seed % 2 == 0 ? "" : "metadata.log.dir=/meta\nlog.dirs=/a,/b\n"),
          moves_(seed % 2 != 0),
          ledger_("t", static_cast<std::int32_t>(w_.world.random().between(1, 3))) {
        w_.faults = {.before = 0.1, .after = 0.1, .shortened = 0.1};
        for (int i = 0; i < 2; ++i) {
            producers_.push_back(&w_.world.add_node(fmt::format("producer-{}", i)));
        }
        observer_ = &w_.world.add_node("observer");
    }

    void run() {
        w_.start_and_wait();
        w_.create("t", ledger_.partitions(), small_and_tiered);
        start_clients();
        while (!testing::Test::HasFailure() && !producers_have_ended()) suffer();
        w_.start_and_wait();
        w_.wait_for("the producers", [&] { return producers_have_ended(); });
        w_.faults = {};
        end_somehow();
        w_.start_and_wait();
        w_.on_admin([&](env::Shard& shard) { return ledger_.check(shard); });
        w_.wait_for("local retention", [&] {
            for (std::int32_t i = 0; i < ledger_.partitions(); ++i) {
                if (w_.local_segments(fmt::format("t-{}", i)) > 2) return false;
            }
            return true;
        });
        end_somehow();
        w_.start_and_wait();
        w_.on_admin([&](env::Shard& shard) { return ledger_.check(shard); });
        reading_ended_ = true;
        w_.wait_for("the observer", [&] { return !observer_->running(); });
        w_.remove("t");
        w_.wait_for("the store", [&] { return w_.stored().empty(); });
        w_.stop_and_wait();
    }
    std::size_t acknowledged() const { return ledger_.acknowledged(); }

  private:
    Duration up_to_ms(std::int64_t ms) {
        return Duration::microseconds(w_.world.random().between(0, ms * 1000));
    }
    bool producers_have_ended() const {
        return std::ranges::none_of(producers_, [](const auto* each) { return each->running(); });
    }
    void start_clients() {
        for (std::size_t i = 0; i < producers_.size(); ++i) {
            producers_[i]->start([this, i](env::Shard& shard) -> Task<int> {
                co_await ledger_.produce(shard, static_cast<int>(i), 150, patient);
                co_return 0;
            });
        }
        observer_->start([this](env::Shard& shard) -> Task<int> {
            co_await ledger_.observe(
                shard,
                "auto.offset.reset=none\nrequest.timeout.ms=4000\ndefault.api.timeout.ms=5000\n",
                [this] { return reading_ended_; });
            co_return 0;
        });
    }
    void end_somehow() {
        if (testing::Test::HasFailure() || !w_.node.running()) return;
        switch (w_.world.random().below(3)) {
            case 0:
                w_.node.kill();
                break;
            case 1:
                w_.node.lose_power();
                break;
            default:
                w_.node.doom();  // a copy may be given up
                w_.stop_and_wait();
                break;
        }
    }
    // Goes on when the node is killed meanwhile, or ends without it.
    void ask_for_a_move() {
        auto partition = static_cast<std::int32_t>(
            w_.world.random().below(static_cast<std::uint64_t>(ledger_.partitions())));
        std::string path = w_.world.random().chance(0.5) ? "/a" : "/b";
        w_.on_admin([=](env::Shard& shard) {
            return with_admin(shard, [=](client::Admin& admin) -> Task<void> {
                client::TopicPartition which{"t", partition};
                auto outcome = co_await client::alter_replica_log_dirs(admin, 1, {{which, path}});
                (void)outcome;
            });
        });
    }
    void suffer() {
        if (moves_ && w_.node.ready()) ask_for_a_move();
        w_.world.run_for(up_to_ms(3000));
        if (w_.world.random().chance(0.5)) return;
        end_somehow();
        w_.world.run_for(up_to_ms(1000));
        w_.node.start();
        if (w_.world.random().chance(0.8)) {
            w_.wait_for("the start", [&] { return w_.node.ready(); });
        }
    }

    TieredWorld w_;
    bool moves_;  // between two log directories
    Ledger ledger_;
    std::vector<env::sim::Node*> producers_;
    env::sim::Node* observer_ = nullptr;
    bool reading_ended_ = false;
};

TEST(TieredStorage, SurvivesKillsPowerCutsAndAFailingStore) {
    std::size_t acknowledged = 0;
    std::uint64_t run = for_seeds(12, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        acknowledged += trial.acknowledged();
    });
    if (!HasFailure()) EXPECT_EQ(acknowledged, run * 300);
}

}  // namespace
}  // namespace millrace::server
