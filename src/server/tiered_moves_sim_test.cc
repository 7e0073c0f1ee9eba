// What a node knows of a tiered log beside its records: replicas that move between log directories
// take it along, and where it is lost remote storage tells it.

#include <gtest/gtest.h>
#include <map>

#include "client/admin_cluster.h"
#include "env/disk.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/tiered_world_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::string_view two_directories = "metadata.log.dir=/meta\nlog.dirs=/a,/b\n";
constexpr std::string_view limit = "replica.alter.log.dirs.io.max.bytes.per.second";

class TieredMove : public testing::Test {
  protected:
    TieredMove() : w_(7, 2, two_directories), ledger_("t", 1) {}

    void produce(int count) {
        int producer = producers_++;
        w_.on_admin([&, producer, count](env::Shard& shard) {
            return ledger_.produce(shard, producer, count, patient);
        });
    }
    void check() {
        w_.on_admin([&](env::Shard& shard) { return ledger_.check(shard); });
    }
    void await_local_retention() {
        w_.wait_for("local retention", [&] { return w_.local_segments("t-0") == 1; });
    }
    std::string place() {
        auto paths = w_.paths_of("t-0");
        EXPECT_EQ(paths.size(), 1U);
        return paths.empty() ? "" : paths.front().substr(0, 2);
    }
    std::string elsewhere() { return place() == "/a" ? "/b" : "/a"; }
    void ask_for(const std::string& path) {
        w_.on_admin([path](env::Shard& shard) {
            return with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                client::TopicPartition t{"t", 0};
                auto moved = co_await client::alter_replica_log_dirs(admin, 1, {{t, path}});
                EXPECT_TRUE(moved.at(t)) << moved.at(t).error().message;
            });
        });
    }
    void await_in(const std::string& path) {
        w_.wait_for("the move",
                    [&] { return w_.paths_of("t-0") == std::vector<std::string>{path + "/t-0"}; });
    }
    void move(const std::string& path) {
        ask_for(path);
        await_in(path);
    }
    // Of a tiered log, to the other directory: it has more to copy until the limit is lifted.
    std::string begin_slow_move() {
        w_.start_and_wait();
        w_.create("t", 1, small_and_tiered);
        produce(150);
        await_local_retention();
        set_limit("1");
        std::string to = elsewhere();
        ask_for(to);
        produce(60);
        return to;
    }
    void set_limit(std::string bytes) {
        w_.on_admin([bytes](env::Shard& shard) {
            return with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                client::ConfigResource broker{client::ResourceType::broker, ""};
                auto altered = co_await client::alter_configs(
                    admin, {{broker, {{std::string(limit), client::AlterOperation::set, bytes}}}});
                EXPECT_TRUE(altered.at(broker)) << altered.at(broker).error().message;
            });
        });
    }

    TieredWorld w_;
    Ledger ledger_;
    int producers_ = 0;
};

TEST_F(TieredMove, TakesWhatIsHereAndTheRestGoesOn) {
    w_.start_and_wait();
    w_.create("t", 1, small_and_tiered);
    for (int i = 0; i < 3; ++i) {
        produce(60);
        w_.node.kill();  // the next leader has another epoch
        w_.start_and_wait();
    }
    await_local_retention();
    std::int64_t local = w_.offset("t", 0, client::offset_at::earliest_local);
    EXPECT_GT(local, 100);
    std::string to = elsewhere();
    move(to);
    EXPECT_EQ(w_.offset("t", 0, client::offset_at::earliest), 0);
    EXPECT_GE(w_.offset("t", 0, client::offset_at::earliest_local), local);
    check();

    std::size_t stored = w_.stored().size();
    produce(100);
    await_local_retention();
    EXPECT_GT(w_.stored().size(), stored) << "what comes is copied";
    check();
    w_.node.lose_power();
    w_.start_and_wait();
    EXPECT_EQ(place(), to);
    EXPECT_EQ(w_.offset("t", 0, client::offset_at::earliest), 0);
    check();

    w_.remove("t");
    w_.wait_for("the store", [&] { return w_.stored().empty(); });
}

TEST_F(TieredMove, KeepsTheStartThatWasAskedFor) {
    w_.start_and_wait();
    w_.create("t", 1, small_and_tiered);
    produce(200);
    await_local_retention();
    w_.on_admin([](env::Shard& shard) {
        return with_admin(shard, [](client::Admin& admin) -> Task<void> {
            client::TopicPartition t{"t", 0};
            auto deleted = co_await client::delete_records(admin, {{t, 61}});
            EXPECT_EQ(*deleted.at(t), 61);
        });
    });
    std::string to = elsewhere();
    ask_for(to);
    w_.wait_for("the switch", [&] { return w_.node.disk().exists(to + "/t-0"); });
    w_.node.lose_power();
    w_.start_and_wait();
    EXPECT_EQ(w_.offset("t", 0, client::offset_at::earliest), 61);
}

// Configs that change meanwhile concern the copy, too.
TEST_F(TieredMove, StaysTieredWhenATopicIsConfiguredMeanwhile) {
    std::string to = begin_slow_move();
    w_.configure("t", {{"retention.bytes", "100000000"}});
    set_limit("1000000000");
    await_in(to);
    std::size_t stored = w_.stored().size();
    produce(100);
    await_local_retention();
    EXPECT_GT(w_.stored().size(), stored);
    check();
}

TEST_F(TieredMove, EndsWithTieringWhenThatIsSwitchedOffMeanwhile) {
    std::string to = begin_slow_move();
    w_.configure("t", {{"remote.storage.enable", "false"},
                       {"remote.log.delete.on.disable", "true"},
                       {"local.retention.bytes", "-2"}});
    w_.wait_for("the store", [&] { return w_.stored().empty(); });
    std::int64_t start = w_.offset("t", 0, client::offset_at::earliest);
    EXPECT_GT(start, 100);
    set_limit("1000000000");
    await_in(to);
    EXPECT_EQ(w_.offset("t", 0, client::offset_at::earliest), start);
    w_.stop_and_wait();
    w_.start_and_wait();
    EXPECT_EQ(w_.offset("t", 0, client::offset_at::earliest), start);
}

// leader-epoch-checkpoint has no checksum, and may be gone.
TEST(TieredEpochs, AreToldByRemoteStorageWhereTheyAreLost) {
    for_seeds(8, [](std::uint64_t seed) {
        TieredWorld w(seed);
        Random random(seed);
        w.start_and_wait();
        w.create("t", 1, small_and_tiered);
        Ledger ledger("t", 1);
        for (int i = 0; i < 4; ++i) {
            w.on_admin([&](env::Shard& shard) { return ledger.produce(shard, i, 50, patient); });
            w.node.kill();
            w.start_and_wait();
        }
        w.wait_for("local retention", [&] { return w.local_segments("t-0") == 1; });
        w.stop_and_wait();
        const std::string file = "/data/t-0/leader-epoch-checkpoint";
        auto text = env::read_file(w.node.disk(), file);
        ASSERT_TRUE(text);
        switch (random.below(3)) {
            case 0:
                ASSERT_TRUE(w.node.disk().remove(file));
                break;
            case 1:
                ASSERT_TRUE(env::replace_file(w.node.disk(), file, text->substr(0, 7)));
                break;
            default:  // a digit of an epoch's first offset, or of an epoch
                for (std::size_t i = text->find('\n', 2) + 1; i < text->size(); ++i) {
                    if ((*text)[i] >= '0' && (*text)[i] <= '9' && random.chance(0.3)) {
                        (*text)[i] = static_cast<char>('0' + random.below(10));
                    }
                }
                ASSERT_TRUE(env::replace_file(w.node.disk(), file, *text));
        }
        w.start_and_wait();
        w.on_admin([&](env::Shard& shard) { return ledger.check(shard); });
        EXPECT_EQ(w.offset("t", 0, client::offset_at::earliest), 0);
        w.node.lose_power();
        w.start_and_wait();
        w.on_admin([&](env::Shard& shard) { return ledger.check(shard); });
        EXPECT_FALSE(w.stored().empty());
    });
}

}  // namespace
}  // namespace millrace::server
