// Replicas move between log directories of a node while they are written, through kills and power
// cuts, cancelled moves and directories that fail: what was acknowledged is there, once and in
// order, and each replica ends in one directory.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "client/admin_configs.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr int partitions = 4;
const std::vector<std::string> paths{"/a", "/b", "/c"};

using Directories = std::map<std::string, client::LogDirDescription>;

class Trial {
  public:
    explicit Trial(std::uint64_t seed, std::string_view more = {})
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          node_(world_, static_cast<int>(1 + seed % 3),
                fmt::format("metadata.log.dir=/meta\nlog.dirs=/a,/b,/c\n{}", more)),
          clients_(world_.add_node("clients")),
          ledger_("t", partitions) {}
    Trial(const Trial&) = delete;
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    // Moves at random while producers write and the node is killed at random.
    void run(int crashes) {
        start();
        on_clients([](env::Shard& shard, Ledger&) { return create_topic(shard, "t", partitions); });
        on_clients(
            [](env::Shard& shard, Ledger& ledger) { return ledger.produce(shard, 0, 100, ""); });
        for (int crash = 0; crash < crashes && !testing::Test::HasFailure(); ++crash) {
            crash_under_moves(crash + 1);
        }
        settle();
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
        node_.lose_power();
        start();
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
    }

    // One move, with the power cut after so many operations of the disk; false: it was over before.
    bool cut_after(std::uint64_t operations) {
        start();
        on_clients([](env::Shard& shard, Ledger&) { return create_topic(shard, "t", partitions); });
        on_clients(
            [](env::Shard& shard, Ledger& ledger) { return ledger.produce(shard, 0, 60, ""); });
        move_all("/c");
        node_.doom();
        node_.disk().cut_off_after(operations);
        bool cut = !world_.run_until([&] { return all_in("/c"); }, Duration::seconds(20)) ||
                   !node_.disk().hit().empty();
        node_.lose_power();
        start();
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
        settle();
        on_clients(
            [](env::Shard& shard, Ledger& ledger) { return ledger.produce(shard, 1, 20, ""); });
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
        return cut;
    }

    void start() {
        if (testing::Test::HasFailure()) return;
        node_.start_and_wait();
        EXPECT_TRUE(node_.ready());
    }
    using Body = std::function<Task<void>(env::Shard&, Ledger&)>;
    void on_clients(Body body) {
        if (testing::Test::HasFailure()) return;
        run_on(world_, clients_, [&](env::Shard& shard) { return body(shard, ledger_); });
    }
    void move_all(const std::string& to);
    // Until every replica lies in one directory and no copy is left.
    void settle();

    env::sim::World& world() { return world_; }
    SimulatedNode& node() { return node_; }
    Ledger& ledger() { return ledger_; }

    // On disk, as a start would find them.
    std::vector<std::string> found_in(const std::string& path) {
        std::vector<std::string> names;
        auto listed = node_.disk().list(path);
        if (!listed) return names;
        for (const auto& entry : *listed) {
            if (entry.is_directory && entry.name.starts_with("t-")) names.push_back(entry.name);
        }
        return names;
    }

  private:
    bool all_in(const std::string& path) {
        int live = 0;
        for (const std::string& name : found_in(path)) live += !name.contains('.');
        return live == partitions;
    }
    void crash_under_moves(int producer);

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;
    Ledger ledger_;
};

Task<void> ask(env::Shard& shard, std::map<client::TopicPartition, std::string> directories) {
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        auto outcomes = co_await client::alter_replica_log_dirs(admin, 1, directories);
        (void)outcomes;  // the node may be on its way down or up
    });
}

void Trial::move_all(const std::string& to) {
    on_clients([to](env::Shard& shard, Ledger&) -> Task<void> {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::map<client::TopicPartition, std::string> wanted;
            for (int i = 0; i < partitions; ++i) wanted[{"t", i}] = to;
            for (const auto& [partition, outcome] :
                 co_await client::alter_replica_log_dirs(admin, 1, wanted)) {
                EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().message);
            }
        });
    });
}

void Trial::settle() {
    on_clients([](env::Shard& shard, Ledger&) -> Task<void> {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::size_t live = 0;
            std::size_t copies = 1;
            for (int attempt = 0; attempt < 300 && (copies > 0 || live != partitions); ++attempt) {
                co_await env::sleep_for(shard, Duration::milliseconds(100));
                auto told = co_await client::describe_log_dirs(admin, {1});
                if (!told.at(1)) continue;
                live = copies = 0;
                for (const auto& [path, directory] : *told.at(1)) {
                    EXPECT_TRUE(directory.status) << path;
                    for (const auto& [partition, replica] : directory.replicas) {
                        ++(replica.future ? copies : live);
                    }
                }
            }
            EXPECT_EQ(live, static_cast<std::size_t>(partitions));
            EXPECT_EQ(copies, 0U);
        });
    });
}

void Trial::crash_under_moves(int producer) {
    bool produced = false;
    bool moved = false;
    auto produce = [&](env::Shard& shard, Ledger& ledger) -> Task<void> {
        co_await ledger.produce(shard, producer, 150, "delivery.timeout.ms=600000\n");
        produced = true;
    };
    auto move = [&](env::Shard& shard) -> Task<void> {
        while (!produced) {
            std::map<client::TopicPartition, std::string> wanted;
            int count = static_cast<int>(shard.random().between(1, partitions));
            for (int i = 0; i < count; ++i) {
                auto partition = static_cast<std::int32_t>(shard.random().below(partitions));
                wanted[{"t", partition}] = paths[shard.random().below(paths.size())];
            }
            co_await ask(shard, std::move(wanted));
            co_await env::sleep_for(shard, Duration::milliseconds(shard.random().between(1, 900)));
        }
        moved = true;
    };
    auto crash = [&](env::Shard& shard) -> Task<void> {
        co_await env::sleep_for(shard, Duration::milliseconds(shard.random().between(50, 4000)));
        if (shard.random().chance(0.5)) {
            node_.kill();
        } else {
            node_.lose_power();
        }
        node_.start();
    };
    on_clients([&](env::Shard& shard, Ledger& ledger) -> Task<void> {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn(produce(shard, ledger));
            scope.spawn(move(shard));
            scope.spawn(crash(shard));
            co_await scope.join();
        });
    });
    EXPECT_TRUE(moved);
    EXPECT_TRUE(world_.run_until([&] { return node_.ready(); }, Duration::seconds(300)));
}

Task<void> configure(env::Shard& shard, std::string broker, std::string name, std::string value) {
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        client::ConfigResource resource{client::ResourceType::broker, broker};
        auto altered = co_await client::alter_configs(
            admin, {{resource, {{name, client::AlterOperation::set, value}}}});
        EXPECT_TRUE(altered.at(resource)) << altered.at(resource).error().message;
    });
}

Task<ErrorCode> move_one(env::Shard& shard, client::TopicPartition partition, std::string to) {
    ErrorCode code = ErrorCode::none;
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        auto outcomes = co_await client::alter_replica_log_dirs(admin, 1, {{partition, to}});
        if (!outcomes.at(partition)) code = outcomes.at(partition).error().code;
    });
    co_return code;
}

Task<Directories> describe(env::Shard& shard) {
    Directories described;
    co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
        auto told = co_await client::describe_log_dirs(admin, {1});
        EXPECT_TRUE(told.at(1));
        if (told.at(1)) described = *told.at(1);
    });
    co_return described;
}

// Where a replica lies, or its copy; empty: nowhere.
std::string place_of(const Directories& described, const client::TopicPartition& partition,
                     bool future) {
    for (const auto& [path, directory] : described) {
        auto found = directory.replicas.find(partition);
        if (found != directory.replicas.end() && found->second.future == future) return path;
    }
    return "";
}

Task<void> slow_down(env::Shard& shard) {
    // The first ten seconds' worth passes at once, of what is far more.
    co_await configure(shard, "", "replica.alter.log.dirs.io.max.bytes.per.second", "1");
}

std::string another(const std::string& path) { return path == "/a" ? "/b" : "/a"; }

TEST(ReplicaMoveSimulation, AMoveIsShownAndGivenUp) {
    Trial trial(1);
    trial.start();
    trial.on_clients([](env::Shard& shard, Ledger& ledger) -> Task<void> {
        co_await create_topic(shard, "t", partitions);
        co_await slow_down(shard);
        co_await ledger.produce(shard, 0, 100, "");
        client::TopicPartition zero{"t", 0};
        std::string from = place_of(co_await describe(shard), zero, false);
        EXPECT_EQ(co_await move_one(shard, zero, another(from)), ErrorCode::none);
        // Its first chunk used up the limit of a long time; what comes now is behind.
        co_await ledger.produce(shard, 0, 100, "");
        Directories described = co_await describe(shard);
        EXPECT_EQ(place_of(described, zero, false), from);
        EXPECT_EQ(place_of(described, zero, true), another(from));
        EXPECT_GT(described[another(from)].replicas[zero].lag, 0);
        EXPECT_GT(described[another(from)].replicas[zero].bytes, 0);

        EXPECT_EQ(co_await move_one(shard, zero, from), ErrorCode::none);
        described = co_await describe(shard);
        EXPECT_EQ(place_of(described, zero, false), from);
        EXPECT_EQ(place_of(described, zero, true), "");

        EXPECT_EQ(co_await move_one(shard, zero, another(from)), ErrorCode::none);
        co_await configure(shard, "", "replica.alter.log.dirs.io.max.bytes.per.second",
                           "1000000000");
    });
    trial.settle();
    trial.on_clients([](env::Shard& shard, Ledger& ledger) -> Task<void> {
        Directories described = co_await describe(shard);
        EXPECT_EQ(place_of(described, {"t", 0}, true), "");
        co_await ledger.check(shard);
    });
}

TEST(ReplicaMoveSimulation, ATopicIsDeletedDuringItsMove) {
    Trial trial(2);
    trial.start();
    trial.on_clients([](env::Shard& shard, Ledger& ledger) -> Task<void> {
        co_await create_topic(shard, "t", partitions);
        co_await slow_down(shard);
        co_await ledger.produce(shard, 0, 100, "");
        for (int i = 0; i < partitions; ++i) co_await move_one(shard, {"t", i}, "/c");
        co_await ledger.produce(shard, 0, 40, "");
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::vector<std::string> names{"t"};
            EXPECT_TRUE((co_await client::delete_topics(admin, names)).at("t"));
        });
        for (const auto& [path, directory] : co_await describe(shard)) {
            EXPECT_TRUE(directory.replicas.empty()) << path;
        }
    });
    auto all_wiped = [&] {
        return std::ranges::all_of(paths,
                                   [&](const auto& path) { return trial.found_in(path).empty(); });
    };
    EXPECT_TRUE(trial.world().run_until(all_wiped, Duration::seconds(120)));
    trial.node().kill();
    trial.start();
    EXPECT_TRUE(all_wiped());
}

TEST(ReplicaMoveSimulation, WhatCannotBeIsRefusedAsApacheDoes) {
    Trial trial(3);
    trial.start();
    trial.on_clients([](env::Shard& shard, Ledger&) -> Task<void> {
        co_await create_topic(shard, "t", 1);
        client::TopicPartition there{"t", 0};
        client::TopicPartition later{"later", 0};
        std::string from = place_of(co_await describe(shard), there, false);
        EXPECT_EQ(co_await move_one(shard, there, "/d"), ErrorCode::log_dir_not_found);
        EXPECT_EQ(co_await move_one(shard, there, from), ErrorCode::none);
        EXPECT_EQ(co_await move_one(shard, {std::string(220, 'x'), 0}, "/a"),
                  ErrorCode::invalid_topic_exception);
        // Apache remembers where it is to be made, and tells that it is not there.
        EXPECT_EQ(co_await move_one(shard, later, "/c"), ErrorCode::unknown_topic_or_partition);
        co_await create_topic(shard, "later", 1);
        EXPECT_EQ(place_of(co_await describe(shard), later, false), "/c");

        co_await configure(shard, "1", "cordoned.log.dirs", "/b");
        EXPECT_EQ(co_await move_one(shard, there, "/b"), ErrorCode::invalid_replica_assignment);
        co_await create_topic(shard, "elsewhere", 6);
        Directories described = co_await describe(shard);
        EXPECT_TRUE(described["/b"].cordoned);
        EXPECT_FALSE(described["/a"].cordoned);
        for (int i = 0; i < 6; ++i) {
            EXPECT_NE(place_of(described, {"elsewhere", i}, false), "/b") << i;
        }
    });
}

TEST(ReplicaMoveSimulation, ADirectoryThatFailsEndsTheMoveIntoIt) {
    Trial trial(4);
    trial.start();
    trial.on_clients([&trial](env::Shard& shard, Ledger& ledger) -> Task<void> {
        co_await create_topic(shard, "t", partitions);
        co_await slow_down(shard);
        co_await ledger.produce(shard, 0, 100, "");
        client::TopicPartition zero{"t", 0};
        std::string from = place_of(co_await describe(shard), zero, false);
        std::string to = another(from);
        EXPECT_EQ(co_await move_one(shard, zero, to), ErrorCode::none);
        trial.node().disk().break_under(to + "/");
        co_await configure(shard, "", "replica.alter.log.dirs.io.max.bytes.per.second",
                           "1000000000");
        Directories described;
        do {
            co_await env::sleep_for(shard, Duration::milliseconds(100));
            ledger.allow_refusals();
            co_await ledger.produce(shard, 1, 10,
                                    "delivery.timeout.ms=6000\n"
                                    "request.timeout.ms=3000\n");
            described = co_await describe(shard);
        } while (described[to].status);
        EXPECT_EQ(place_of(described, zero, false), from);
        EXPECT_EQ(place_of(described, zero, true), "");
        std::string third = "/c";
        EXPECT_EQ(co_await move_one(shard, zero, to), ErrorCode::kafka_storage_error);
        EXPECT_EQ(co_await move_one(shard, zero, third),
                  from == third ? ErrorCode::none : ErrorCode::kafka_storage_error);
    });
    trial.node().disk().mend();
    trial.node().kill();
    trial.start();
    trial.settle();
    trial.on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
}

TEST(ReplicaMoveSimulation, NothingIsLostUnderLoadAndCrashes) {
    for_seeds(6, [](std::uint64_t seed) { Trial(seed).run(3); });
}

TEST(ReplicaMoveSimulation, APowerCutAtAnyOperationLeavesAWholeLog) {
    std::uint64_t step = 1;
    std::uint64_t operations = 0;
    bool cut = true;
    for (std::uint64_t seed = 1; cut && !testing::Test::HasFailure(); ++seed, operations += step) {
        SCOPED_TRACE(fmt::format("after {} operations, seed {}", operations, seed));
        cut = Trial(seed).cut_after(operations);
        step = 1 + operations / 10;
    }
    EXPECT_GT(operations, 50U) << "the move takes more operations than were cut";
}

}  // namespace
}  // namespace millrace::server
