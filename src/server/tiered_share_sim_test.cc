// Share groups (KIP-932) on a topic whose records are in remote storage (KIP-405), on a store that
// fails now and then, while the node is killed and loses its power: every record is done with, and
// none comes again that a member was told it has accepted.

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "client/admin_configs.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/sharing_group_for_tests.h"
#include "server/tiered_world_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 3;
const std::string soon =
    std::string(SharingGroup::lines) + "share.coordinator.state.topic.num.partitions=2\n";

enum class Members : std::uint8_t { by_hand, consumers };

class Trial {
  public:
    Trial(std::uint64_t seed, Members kind)
        : w_(seed, static_cast<int>(1 + seed % 3), soon), kind_(kind) {
        for (int i = 0; i < 3; ++i) members_.push_back(&w_.world.add_node(fmt::format("m-{}", i)));
    }

    void run() {
        w_.start_and_wait();
        w_.create("t", partitions, small_and_tiered);
        w_.on_admin([&](env::Shard& shard) {
            return with_admin(shard,
                              [&](client::Admin& admin) { return start_at_earliest(admin); });
        });
        produce(200);
        w_.wait_for("local retention", [&] {
            for (std::int32_t i = 0; i < partitions; ++i)
                if (w_.local_segments(fmt::format("t-{}", i)) != 1) return false;
            return true;
        });
        for (std::int32_t i = 0; i < partitions; ++i)
            EXPECT_GT(w_.offset("t", i, client::offset_at::earliest_local), 20);
        for (env::sim::Node* each : members_) start(*each);
        w_.faults.before = 0.1;
        for (int i = 0; i < 3; ++i) {
            produce(20);  // what comes meanwhile is read from here
            w_.world.run_for(Duration::milliseconds(w_.world.random().between(0, 3000)));
            w_.world.random().chance(0.5) ? w_.node.kill() : w_.node.lose_power();
            w_.start_and_wait();
        }
        w_.wait_for("the records", [&] { return group_.is_done_with(ledger_); });
        group_.finish();
        w_.wait_for("the members", [&] {
            return std::ranges::none_of(members_, [](auto* each) { return each->running(); });
        });
    }
    std::size_t accepted() const { return group_.accepted(); }

  private:
    Task<void> start_at_earliest(client::Admin& admin) {
        client::ConfigResource group{client::ResourceType::group, group_.id()};
        auto altered = co_await client::alter_configs(
            admin, {{group, {{.name = "share.auto.offset.reset", .value = "earliest"}}}});
        EXPECT_TRUE(altered.at(group)) << altered.at(group).error().message;
    }
    void produce(int count) {
        w_.on_admin([&](env::Shard& shard) { return ledger_.produce(shard, 0, count, patient); });
    }
    void start(env::sim::Node& member) {
        member.start([this](env::Shard& shard) -> Task<int> {
            if (kind_ == Members::by_hand) {
                co_await group_.take_part(shard);
            } else {
                co_await group_.take_part_as_consumer(shard);
            }
            co_return 0;
        });
    }

    Ledger ledger_{"t", partitions};
    SharingGroup group_{"sharing", "t"};
    TieredWorld w_;
    Members kind_;
    std::vector<env::sim::Node*> members_;
};

void try_members(Members kind) {
    for_seeds(3, [&](std::uint64_t seed) {
        Trial trial(seed, kind);
        trial.run();
        EXPECT_GT(trial.accepted(), 100U);
    });
}

TEST(TieredShareGroups, EveryRecordIsDoneWith) { try_members(Members::by_hand); }

TEST(TieredShareGroups, ConsumersAreDoneWithEveryRecord) { try_members(Members::consumers); }

}  // namespace
}  // namespace millrace::server
