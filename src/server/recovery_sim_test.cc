// A node that is started anew after an unclean end serves before all that its logs hold is synced:
// what it shows meanwhile no power cut takes away, and a log that cannot be synced closes its
// directory.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 8;
constexpr std::string_view impatient = "default.api.timeout.ms=200\nrequest.timeout.ms=200\n";

// Records that nobody waits for until they are on stable storage.
Task<void> write_carelessly(env::Shard& shard, int first) {
    constexpr std::string_view careless = "acks=1\nenable.idempotence=false\nlinger.ms=0\n";
    co_await with_producer(shard, careless, [&](client::Producer& to) -> Task<void> {
        for (int i = 0; i < 40; ++i) {
            std::string value = fmt::format("9:{} careless", first + i);
            auto delivery = co_await to.send(
                {.topic = "t", .partition = i % partitions, .value = as_bytes(value)});
            EXPECT_TRUE(delivery);
            if (delivery) EXPECT_TRUE(co_await delivery->get());
        }
    });
}

// Whether where the logs end can be told.
Task<bool> tells_ends(env::Shard& shard) {
    bool told = false;
    co_await with_consumer(shard, impatient, [&](client::Consumer& consumer) -> Task<void> {
        auto ends = co_await consumer.end_offsets(Ledger("t", partitions).names());
        told = ends.has_value();
    });
    co_return told;
}

class Trial {
  public:
    explicit Trial(std::uint64_t seed, std::string_view more = {})
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          node_(world_, static_cast<int>(1 + seed % 3),
                fmt::format("num.recovery.threads.per.data.dir=1\n{}", more)),
          clients_(world_.add_node("clients")),
          observer_(world_.add_node("observer")),
          ledger_("t", partitions) {}
    Trial(const Trial&) = delete;
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    // Kills the node with records that are not synced.
    void write_and_kill(int round) {
        start();
        if (round == 0) {
            on_clients([](env::Shard& shard) { return create_topic(shard, "t", partitions); });
        }
        on_clients([&](env::Shard& shard) { return ledger_.produce(shard, 0, 30, ""); });
        on_clients([&](env::Shard& shard) { return write_carelessly(shard, 100 * round); });
        node_.kill();
    }
    void read_and_lose_power() {
        node_.disk().conditions.sync = {Duration::milliseconds(20), Duration::milliseconds(200)};
        Ledger shown("t", partitions);
        bool ended = false;
        observer_.start([&](env::Shard& shard) -> Task<int> {
            co_await shown.observe(shard, "auto.offset.reset=none\nrequest.timeout.ms=1000\n",
                                   [&] { return ended; });
            co_return 0;
        });
        start();
        if (random().chance(0.5)) {
            on_clients([&](env::Shard& shard) -> Task<void> {
                early_ += (co_await tells_ends(shard)) ? 0 : 1;
            });
        }
        world_.run_for(Duration::microseconds(random().between(0, 4'000'000)));
        ended = true;
        node_.lose_power();
        node_.disk().conditions.sync = env::sim::DiskConditions().sync;
        start();
        EXPECT_TRUE(world_.run_until([&] { return !observer_.running(); }, Duration::seconds(60)));
        on_clients([&](env::Shard& shard) { return shown.check(shard); });
        on_clients([&](env::Shard& shard) { return ledger_.check(shard); });
        seen_ += shown.observed();
    }
    void start() {
        if (testing::Test::HasFailure() || node_.running()) return;
        node_.start_and_wait();
        EXPECT_TRUE(node_.ready()) << node_.reason();
    }
    void on_clients(const std::function<Task<void>(env::Shard&)>& body) {
        if (!testing::Test::HasFailure()) run_on(world_, clients_, body);
    }
    std::size_t seen() const { return seen_; }
    int early() const { return early_; }  // starts that could not yet tell where logs end
    SimulatedNode& node() { return node_; }
    Ledger& ledger() { return ledger_; }

  private:
    Random& random() { return world_.random(); }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;
    env::sim::Node& observer_;
    Ledger ledger_;
    std::size_t seen_ = 0;
    int early_ = 0;
};

TEST(RecoverySimulation, WhatIsShownBeforeAllIsSyncedStays) {
    std::size_t seen = 0;
    int early = 0;
    for_seeds(8, [&](std::uint64_t seed) {
        Trial trial(seed);
        for (int round = 0; round < 3 && !HasFailure(); ++round) {
            trial.write_and_kill(round);
            trial.read_and_lose_power();
        }
        seen += trial.seen();
        early += trial.early();
    });
    if (HasFailure()) return;
    EXPECT_GT(seen, 0U);
    EXPECT_GT(early, 0) << "no node served before all was synced";
}

TEST(RecoverySimulation, ALogThatCannotBeSyncedClosesItsDirectory) {
    for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed, "metadata.log.dir=/meta\nlog.dirs=/a,/b\n");
        trial.write_and_kill(0);
        trial.node().disk().fail_next(env::sim::Disk::Fault::sync, "/b/t-");
        trial.start();
        trial.on_clients([](env::Shard& shard) -> Task<void> {
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                bool failed = false;
                for (int attempt = 0; attempt < 600 && !failed; ++attempt) {
                    co_await env::sleep_for(shard, Duration::milliseconds(100));
                    auto told = co_await client::describe_log_dirs(admin, {1});
                    if (!told.contains(1) || !told.at(1)) continue;
                    failed = !told.at(1)->at("/b").status;
                    EXPECT_TRUE(told.at(1)->at("/a").status);
                }
                EXPECT_TRUE(failed);
            });
        });
        trial.node().lose_power();
        trial.start();
        trial.on_clients([&](env::Shard& shard) { return trial.ledger().check(shard); });
    });
}

}  // namespace
}  // namespace millrace::server
