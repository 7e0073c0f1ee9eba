// Groups of a hundred members on five hundred partitions, of each kind: members come, leave and die
// at random, and each time all is shared out again, with one owner a partition. How long that
// takes, in the world's time, is printed.

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "client/admin_configs.h"
#include "server/consumer_protocol_for_tests.h"
#include "server/group_for_tests.h"
#include "server/ledger_for_tests.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/sharing_group_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 500;
constexpr std::size_t all_members = 100;
const std::string lines =
    std::string(SharingGroup::lines) +
    "group.consumer.min.session.timeout.ms=1000\ngroup.consumer.session.timeout.ms=6000\n"
    "group.consumer.min.heartbeat.interval.ms=100\ngroup.consumer.heartbeat.interval.ms=500\n"
    "share.coordinator.state.topic.num.partitions=2\n"
    "num.recovery.threads.per.data.dir=2\n";

// A group, as a trial sees it.
struct Crowd {
    std::string name;
    std::function<Task<void>(env::Shard&, const bool& leaves)> life;
    std::function<bool(Time, std::size_t members)> is_shared_out;
    std::function<void()> finish;
    std::function<Task<void>(env::Shard&)> is_given = {};  // before each time that it is asked
};

class Trial : private NodeTrial {
  public:
    Trial(std::uint64_t seed, Crowd crowd) : NodeTrial(seed, 2, lines), crowd_(std::move(crowd)) {
        for (std::size_t i = 0; i < all_members; ++i)
            members_.push_back({&world_.add_node(fmt::format("m-{}", i))});
    }
    ~Trial() { end(); }

    void run() {
        start_node();
        on_admin([](env::Shard& shard) { return create_topic(shard, "t", partitions, true); });
        for (Member& each : members_) start(each);
        await_shares("all come");
        for (int i = 0; i < 40 && !testing::Test::HasFailure(); ++i) change();
        await_shares("after joins, leaves and deaths");
        for (Member& each : members_) start(each);
        await_shares("all are there again");
        crowd_.finish();
        wait_for("the members", [&] { return running() == 0; });
    }

  private:
    struct Member {
        env::sim::Node* machine;
        bool leaves = false;
    };
    void start(Member& member) {
        if (member.machine->running()) return;
        member.leaves = false;
        member.machine->start([this, &member](env::Shard& shard) -> Task<int> {
            co_await crowd_.life(shard, member.leaves);
            co_return 0;
        });
    }
    std::size_t running() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            members_, [](const Member& member) { return member.machine->running(); }));
    }
    std::size_t staying() const {
        return static_cast<std::size_t>(std::ranges::count_if(members_, [](const Member& member) {
            return member.machine->running() && !member.leaves;
        }));
    }
    void await_shares(std::string_view when) {
        if (crowd_.is_given) on_admin(crowd_.is_given);
        Time began = world_.now();
        wait_for(crowd_.name, [&] { return crowd_.is_shared_out(world_.now(), staying()); });
        fmt::print("{}, {}: {} partitions for {} members after {} ms\n", crowd_.name, when,
                   partitions, staying(), (world_.now() - began).ms());
    }
    void change() {
        world_.run_for(Duration::milliseconds(random().between(0, 700)));
        Member& member = members_[random().below(members_.size())];
        switch (random().below(5)) {
            case 0:  // its machine answers for it
                world_.kill(*member.machine);
                break;
            case 1:
                world_.crash(*member.machine);
                break;
            case 2:
                member.leaves = true;
                break;
            default:
                start(member);
                break;
        }
    }

    Crowd crowd_;
    std::vector<Member> members_;
};

TEST(LargeGroups, OfTheConsumerProtocol) {
    for_seeds(1, [](std::uint64_t seed) {
        BeatingGroup group("consumer", "t", BeatingGroup::Commits::nothing);
        Trial trial(seed,
                    {.name = "consumer",
                     .life = [&](env::Shard& shard,
                                 const bool& leaves) { return group.take_part(shard, leaves); },
                     .is_shared_out =
                         [&](Time now, std::size_t members) {
                             return group.held(now) == partitions && group.owners(now) == members;
                         },
                     .finish = [&] { group.finish(); }});
        trial.run();
    });
}

TEST(LargeGroups, OfTheClassicProtocol) {
    for_seeds(1, [](std::uint64_t seed) {
        WatchedGroup group("classic", "t");
        Trial trial(
            seed,
            {.name = "classic",
             .life = [&](env::Shard& shard,
                         const bool& leaves) { return group.take_part(shard, leaves); },
             .is_shared_out =
                 [&](Time, std::size_t members) { return group.is_shared(partitions, members); },
             .finish = [&] { group.finish(); }});
        trial.run();
    });
}

// Whatever is written meanwhile is done with.
TEST(LargeGroups, OfShareGroups) {
    for_seeds(1, [](std::uint64_t seed) {
        SharingGroup group("share", "t");
        Ledger ledger("t", partitions);
        auto write = [&](env::Shard& shard) -> Task<void> {
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                client::ConfigResource resource{client::ResourceType::group, group.id()};
                auto altered = co_await client::alter_configs(
                    admin,
                    {{resource, {{.name = "share.auto.offset.reset", .value = "earliest"}}}});
                EXPECT_TRUE(altered.at(resource)) << altered.at(resource).error().message;
            });
            co_await ledger.produce(shard, 0, 400, "");
            co_await ledger.check(shard);
        };
        Trial trial(seed,
                    {.name = "share",
                     .life = [&](env::Shard& shard,
                                 const bool& leaves) { return group.take_part(shard, leaves); },
                     .is_shared_out = [&](Time, std::size_t) { return group.is_done_with(ledger); },
                     .finish = [&] { group.finish(); },
                     .is_given = write});
        trial.run();
        EXPECT_GT(group.accepted(), 1000U);
    });
}

}  // namespace
}  // namespace millrace::server
