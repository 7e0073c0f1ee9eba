// Two groups read one topic while their members die, leave and come back, and the node now and
// then: a partition has one owner a generation, and everything reaches somebody.

#include <gtest/gtest.h>
#include <map>
#include <vector>

#include "env/sim/fabric.h"
#include "server/group_for_tests.h"
#include "server/ledger_for_tests.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::string_view cooperative =
    "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor\n";

constexpr std::string_view soon =
    "group.consumer.min.session.timeout.ms=1000\ngroup.consumer.session.timeout.ms=6000\n"
    "group.consumer.min.heartbeat.interval.ms=100\ngroup.consumer.heartbeat.interval.ms=500\n";

// Who shares partitions out: a member, in two ways, or the node, in two ways.
enum class Protocol : std::uint8_t { classic, consumer };

class Trial : private NodeTrial {
  public:
    Trial(std::uint64_t seed, Protocol protocol)
        : NodeTrial(seed, static_cast<int>(2 + seed % 2), soon),
          ledger_("t", 5),
          first_(protocol == Protocol::classic
                     ? WatchedGroup("eager", "t")
                     : WatchedGroup("uniform", "t", std::string(WatchedGroup::coordinated))),
          second_(protocol == Protocol::classic
                      ? WatchedGroup("cooperative", "t", std::string(cooperative))
                      : WatchedGroup("range", "t",
                                     std::string(WatchedGroup::coordinated) +
                                         "group.remote.assignor=range\n")),
          producer_(world_.add_node("producer")) {
        for (WatchedGroup* group : {&first_, &second_}) {
            for (int i = 0; i < 3; ++i) {
                members_.push_back({group, &world_.add_node(fmt::format("{}-{}", group->id(), i))});
            }
        }
    }
    ~Trial() { end(); }

    void run() {
        start_node();
        on_admin([](env::Shard& shard) { return create_topic(shard, "t", 5); });
        producer_.start([this](env::Shard& shard) -> Task<int> {
            co_await ledger_.produce(
                shard, 0, 300,
                "delivery.timeout.ms=1200000\nmax.block.ms=1200000\nrequest.timeout.ms=4000\n");
            co_return 0;
        });
        for (Member& each : members_) start(each);
        for (int i = 0; i < 20 && !testing::Test::HasFailure(); ++i) suffer();
        world_.fabric().heal();
        for (Member& each : members_) start(each);
        wait_for("the producer", [&] { return !producer_.running(); });
        on_admin([this](env::Shard& shard) { return ledger_.check(shard); });
        for (WatchedGroup* group : {&first_, &second_}) {
            wait_for(group->id(), [&] { return has_all(*group); });
            group->finish();
        }
        wait_for("the members", [&] {
            return std::ranges::none_of(members_, [](Member& m) { return m.machine->running(); });
        });
        on_admin([this](env::Shard& shard) { return first_.check_committed(shard); });
        on_admin([this](env::Shard& shard) { return second_.check_committed(shard); });
    }
    // In which a member was given a partition.
    std::size_t generations() const { return first_.generations() + second_.generations(); }

  private:
    struct Member {
        WatchedGroup* group;
        env::sim::Node* machine;
    };

    static void start(Member& member) {
        if (member.machine->running()) return;
        member.machine->start([group = member.group](env::Shard& shard) -> Task<int> {
            co_await group->take_part(shard);
            co_return 0;
        });
    }
    bool has_all(const WatchedGroup& group) const {
        for (std::int32_t i = 0; i < ledger_.partitions(); ++i) {
            if (!group.has_delivered(i, ledger_.end(i))) return false;
        }
        return true;
    }

    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(0, 6000)));
        Member& member = members_[random().below(members_.size())];
        switch (random().below(6)) {
            case 0:  // its machine answers for it
                world_.kill(*member.machine);
                break;
            case 1:
                world_.crash(*member.machine);
                break;
            case 2:
                world_.fabric().isolate(*member.machine);
                world_.run_for(Duration::milliseconds(random().between(0, 12'000)));
                world_.fabric().heal();
                break;
            case 3:
                world_.fabric().reset(node_.machine(), *member.machine);
                break;
            case 4:
                for (Member& each : members_) start(each);
                break;
            default:
                node_.kill();
                node_.start();
                break;
        }
    }

    Ledger ledger_;
    WatchedGroup first_, second_;
    env::sim::Node& producer_;
    std::vector<Member> members_;
};

void try_groups(Protocol protocol) {
    std::size_t generations = 0;
    std::uint64_t count = for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed, protocol);
        trial.run();
        generations += trial.generations();
    });
    EXPECT_GT(generations, 4 * count);
}

TEST(GroupSimulation, MembersComeAndGo) { try_groups(Protocol::classic); }

TEST(GroupSimulation, MembersOfCoordinatedGroupsComeAndGo) { try_groups(Protocol::consumer); }

}  // namespace
}  // namespace millrace::server
