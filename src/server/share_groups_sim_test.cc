// Share groups (KIP-932) while members die, are cut off and come back, and the node now and then,
// also after its power went: what a member was told that it has accepted comes to nobody again, and
// every record is done with in the end.

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "client/admin_configs.h"
#include "env/sim/fabric.h"
#include "server/ledger_for_tests.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/sharing_group_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 3;
const std::string soon = std::string(SharingGroup::lines) +
                         "group.share.partition.max.record.locks=100\n"
                         "share.coordinator.state.topic.num.partitions=2\n"
                         "share.coordinator.snapshot.update.records.per.snapshot=7\n"
                         "share.coordinator.state.topic.prune.interval.ms=20000\n"
                         "share.coordinator.cold.partition.snapshot.interval.ms=10000\n";

// Who takes part: requests by hand, or the native client.
enum class Members : std::uint8_t { by_hand, consumers };

class Trial : private NodeTrial {
  public:
    Trial(std::uint64_t seed, Members kind)
        : NodeTrial(seed, static_cast<int>(1 + seed % 3), soon),
          ledger_("t", partitions),
          kind_(kind),
          group_("sharing", "t"),
          producer_(world_.add_node("producer")) {
        for (int i = 0; i < 4; ++i) members_.push_back(&world_.add_node(fmt::format("m-{}", i)));
    }
    ~Trial() { end(); }

    void run() {
        start_node();
        on_admin([this](env::Shard& shard) -> Task<void> {
            co_await create_topic(shard, "t", partitions);
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                co_await start_at_earliest(admin);
            });
        });
        producer_.start([this](env::Shard& shard) -> Task<int> {
            co_await ledger_.produce(
                shard, 0, 200,
                "delivery.timeout.ms=1200000\nmax.block.ms=1200000\nrequest.timeout.ms=4000\n");
            co_return 0;
        });
        for (int i = 0; i < 25 && !testing::Test::HasFailure(); ++i) suffer();
        world_.fabric().heal();
        for (env::sim::Node* each : members_) start(*each);
        wait_for("the producer", [&] { return !producer_.running(); });
        on_admin([this](env::Shard& shard) { return ledger_.check(shard); });
        wait_for("the records", [&] { return group_.is_done_with(ledger_); });
        group_.finish();
        wait_for("the members", [&] {
            return std::ranges::none_of(members_, [](auto* each) { return each->running(); });
        });
    }
    std::size_t accepted() const { return group_.accepted(); }
    std::size_t redelivered() const { return group_.redelivered(); }

  private:
    Task<void> start_at_earliest(client::Admin& admin);
    void start(env::sim::Node& member) {
        if (member.running()) return;
        member.start([this](env::Shard& shard) -> Task<int> {
            if (kind_ == Members::by_hand) {
                co_await group_.take_part(shard);
            } else {
                co_await group_.take_part_as_consumer(shard);
            }
            co_return 0;
        });
    }
    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(0, 4000)));
        env::sim::Node& member = *members_[random().below(members_.size())];
        switch (random().below(8)) {
            case 0:  // its machine answers for it
                world_.kill(member);
                break;
            case 1:
                world_.crash(member);
                break;
            case 2:
                world_.fabric().isolate(member);
                world_.run_for(Duration::milliseconds(random().between(0, 12'000)));
                world_.fabric().heal();
                break;
            case 3:
                world_.fabric().reset(node_.machine(), member);
                break;
            case 4:
                node_.kill();
                node_.start();
                break;
            case 5:
                node_.lose_power();
                node_.start();
                break;
            default:
                start(member);
                break;
        }
    }

    Ledger ledger_;
    Members kind_;
    SharingGroup group_;
    env::sim::Node& producer_;
    std::vector<env::sim::Node*> members_;
};

Task<void> Trial::start_at_earliest(client::Admin& admin) {
    client::ConfigResource group{client::ResourceType::group, group_.id()};
    auto altered = co_await client::alter_configs(
        admin, {{group, {{.name = "share.auto.offset.reset", .value = "earliest"}}}});
    EXPECT_TRUE(altered.at(group)) << altered.at(group).error().message;
}

void try_members(Members kind) {
    std::size_t accepted = 0;
    std::size_t redelivered = 0;
    std::uint64_t count = for_seeds(6, [&](std::uint64_t seed) {
        Trial trial(seed, kind);
        trial.run();
        accepted += trial.accepted();
        redelivered += trial.redelivered();
    });
    EXPECT_GT(accepted, 100 * count);
    EXPECT_GT(redelivered, count);
}

TEST(ShareGroupSimulation, EveryRecordIsDoneWith) { try_members(Members::by_hand); }

TEST(ShareGroupSimulation, ConsumersAreDoneWithEveryRecord) { try_members(Members::consumers); }

}  // namespace
}  // namespace millrace::server
