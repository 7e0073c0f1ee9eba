// A node whose only data directory fails: it refuses what it cannot store and ends, saying why, and
// after a restart on a disk that works nothing acknowledged is lost.

#include <gtest/gtest.h>

#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

using Fault = env::sim::Disk::Fault;

constexpr int records = 80;
constexpr std::string_view impatient =
    "delivery.timeout.ms=6000\nrequest.timeout.ms=3000\nmax.block.ms=6000\n";

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          // A metadata log elsewhere outlives the data; else it may be hit, too.
          node_(world_, static_cast<int>(1 + seed % 3),
                random().chance(0.7) ? "metadata.log.dir=/meta\n" : ""),
          clients_(world_.add_node("clients")),
          ledger_("t", 3) {}
    Trial(const Trial&) = delete;
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    void run() {
        start();
        on_clients([](env::Shard& shard, Ledger&) { return create_topic(shard, "t", 3); });
        on_clients(produce(0, ""));
        std::size_t before = ledger_.acknowledged();

        break_disk();
        ledger_.allow_refusals();
        node_.doom();
        on_clients(produce(1, impatient));
        EXPECT_GT(ledger_.refused(), 0U);
        EXPECT_GE(ledger_.acknowledged(), before);
        EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(300)));
        EXPECT_TRUE(node_.reason().contains("failed")) << node_.reason();

        node_.disk().conditions.capacity = std::uint64_t{1} << 40U;
        if (random().chance(0.5)) node_.lose_power();
        start();
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
        std::size_t refused = ledger_.refused();
        on_clients(produce(2, ""));
        EXPECT_EQ(ledger_.refused(), refused);
        node_.lose_power();
        start();
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
    }

  private:
    using Body = std::function<Task<void>(env::Shard&, Ledger&)>;
    Random& random() { return world_.random(); }

    static Body produce(int producer, std::string_view lines) {
        return [=](env::Shard& shard, Ledger& ledger) {
            return ledger.produce(shard, producer, records, lines);
        };
    }
    void on_clients(Body body) {
        if (testing::Test::HasFailure()) return;
        run_on(world_, clients_, [&](env::Shard& shard) { return body(shard, ledger_); });
    }
    void start() {
        if (testing::Test::HasFailure()) return;
        node_.start_and_wait();
        EXPECT_TRUE(node_.ready());
    }
    void break_disk() {
        int skip = static_cast<int>(random().below(12));
        switch (random().below(3)) {
            case 0:
                node_.disk().fail_next(Fault::write, "/data/t-", "Input/output error", skip);
                break;
            case 1:
                node_.disk().fail_next(Fault::sync, "/data/t-", "Input/output error", skip);
                break;
            default:
                node_.disk().conditions.capacity = node_.disk().used() + random().below(3000);
                break;
        }
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;
    Ledger ledger_;
};

TEST(DiskFaultSimulation, WhatIsStoredStays) {
    for_seeds(8, [](std::uint64_t seed) { Trial(seed).run(); });
}

}  // namespace
}  // namespace millrace::server
