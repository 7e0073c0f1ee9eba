// A node with several log directories of which one fails under load: its partitions are refused,
// the others are served on, and nothing acknowledged is lost. It ends when the last one fails.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr int partitions = 6;
constexpr std::string_view impatient =
    "delivery.timeout.ms=6000\nrequest.timeout.ms=3000\nmax.block.ms=6000\n";

using Directories = std::map<std::string, client::LogDirDescription>;

Task<Directories> describe(env::Shard& shard) {
    Directories described;
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        auto told = co_await client::describe_log_dirs(admin, {1});
        EXPECT_TRUE(told.contains(1) && told.at(1)) << "log directories";
        if (told.contains(1) && told.at(1)) described = *told.at(1);
    });
    co_return described;
}

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          node_(world_, static_cast<int>(1 + seed % 3),
                "metadata.log.dir=/meta\nlog.dirs=/a,/b,/c\n"),
          clients_(world_.add_node("clients")),
          ledger_("t", partitions) {}
    Trial(const Trial&) = delete;
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    void run() {
        start();
        on_clients([](env::Shard& shard, Ledger&) { return create_topic(shard, "t", partitions); });
        on_clients(produce(0, ""));
        expect_spread();

        node_.disk().break_under("/b/");
        ledger_.allow_refusals();
        on_clients(produce(1, impatient));
        EXPECT_GT(ledger_.refused(), 0U);
        expect_offline("/b");
        expect_leaderless(2);
        std::size_t refused = ledger_.refused();
        on_clients(produce(2, impatient));
        EXPECT_GT(ledger_.refused(), refused);
        EXPECT_LT(ledger_.refused() - refused, 80U) << "the other directories serve on";

        if (world_.random().chance(0.5)) restart_without_b();
        node_.doom();
        node_.disk().break_under("/a/");
        node_.disk().break_under("/c/");
        on_clients(produce(3, impatient));
        EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(300)));
        EXPECT_TRUE(node_.reason().contains("every directory of log.dirs has failed"))
            << node_.reason();

        node_.disk().mend();
        if (world_.random().chance(0.5)) node_.lose_power();
        start();
        expect_leaderless(0);
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
        refused = ledger_.refused();
        on_clients(produce(4, ""));
        EXPECT_EQ(ledger_.refused(), refused);
    }

  private:
    using Body = std::function<Task<void>(env::Shard&, Ledger&)>;

    static Body produce(int producer, std::string_view lines) {
        return [=](env::Shard& shard, Ledger& ledger) {
            return ledger.produce(shard, producer, 80, lines);
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
    void restart_without_b() {
        node_.kill();
        start();
        expect_offline("/b");
        expect_leaderless(2);
    }
    void expect_spread() {
        on_clients([](env::Shard& shard, Ledger&) -> Task<void> {
            for (const auto& [path, told] : co_await describe(shard)) {
                EXPECT_TRUE(told.status) << path;
                EXPECT_EQ(told.replicas.size(), 2U) << path;
            }
        });
    }
    void expect_offline(const std::string& path) {
        on_clients([path](env::Shard& shard, Ledger&) -> Task<void> {
            for (const auto& [each, told] : co_await describe(shard)) {
                EXPECT_EQ(static_cast<bool>(told.status), each != path) << each;
                EXPECT_EQ(told.replicas.size(), each == path ? 0U : 2U) << each;
            }
        });
    }
    void expect_leaderless(std::size_t count);

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;
    Ledger ledger_;
};

void Trial::expect_leaderless(std::size_t count) {
    on_clients([count](env::Shard& shard, Ledger&) -> Task<void> {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::size_t leaderless = partitions + 1;
            for (int attempt = 0; attempt < 100 && leaderless != count; ++attempt) {
                co_await env::sleep_for(shard, Duration::milliseconds(100));
                auto told = co_await client::describe_topics(admin, {"t"});
                if (!told.at("t")) continue;
                leaderless = 0;
                for (const auto& each : told.at("t")->partitions) leaderless += each.leader < 0;
            }
            EXPECT_EQ(leaderless, count);
        });
    });
}

TEST(LogDirectorySimulation, OneThatFailsGoesAlone) {
    for_seeds(8, [](std::uint64_t seed) { Trial(seed).run(); });
}

}  // namespace
}  // namespace millrace::server
