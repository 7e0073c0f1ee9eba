// Groups of the consumer protocol (KIP-848), one of them with classic members among the others,
// while members die, are cut off and come back, and the node now and then: a partition has one
// owner, commits of former owners change nothing, and everything reaches somebody.

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "env/sim/fabric.h"
#include "server/consumer_protocol_for_tests.h"
#include "server/group_for_tests.h"
#include "server/ledger_for_tests.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 5;
constexpr std::string_view soon =
    "group.consumer.min.session.timeout.ms=1000\ngroup.consumer.session.timeout.ms=6000\n"
    "group.consumer.min.heartbeat.interval.ms=100\ngroup.consumer.heartbeat.interval.ms=500\n";

class Trial : private NodeTrial {
  public:
    explicit Trial(std::uint64_t seed)
        : NodeTrial(seed, static_cast<int>(1 + seed % 3), soon),
          ledger_("t", partitions),
          beating_("beating", "t", BeatingGroup::Commits::made_up_offsets),
          mixed_("mixed", "t", BeatingGroup::Commits::nothing),
          classic_("mixed", "t"),
          producer_(world_.add_node("producer")) {
        add("beating", 3, [this](env::Shard& shard) { return beating_.take_part(shard); });
        add("mixed", 2, [this](env::Shard& shard) { return mixed_.take_part(shard); });
        add("classic", 2, [this](env::Shard& shard) { return classic_.take_part(shard); });
        // A group that was empty in between begins with its first generation again when members of
        // the other protocol come: one member stays, so that generations tell who came later.
        steady_ = seed % 4 < 2 ? members_[3] : members_[5];
        steady_.machine = &world_.add_node("steady");
    }
    ~Trial() { end(); }

    void run() {
        start_node();
        on_admin([](env::Shard& shard) { return create_topic(shard, "t", partitions); });
        producer_.start([this](env::Shard& shard) -> Task<int> {
            co_await ledger_.produce(
                shard, 0, 200,
                "delivery.timeout.ms=1200000\nmax.block.ms=1200000\nrequest.timeout.ms=4000\n");
            co_return 0;
        });
        start(steady_);
        for (int i = 0; i < 25 && !testing::Test::HasFailure(); ++i) suffer();
        world_.fabric().heal();
        for (Member& each : members_) start(each);
        wait_for("the producer", [&] { return !producer_.running(); });
        wait_for("the owners", [&] { return beating_.held(world_.now()) == partitions; });
        // From here on classic members have it all.
        mixed_.finish();
        on_admin([this](env::Shard& shard) { return ledger_.check(shard); });
        wait_for("the classic members", [&] { return has_all(); });
        classic_.finish();
        beating_.finish();
        wait_for("the members", [&] {
            return !steady_.machine->running() &&
                   std::ranges::none_of(members_, [](Member& m) { return m.machine->running(); });
        });
        on_admin([this](env::Shard& shard) { return beating_.check_committed(shard); });
    }
    std::size_t grants() const { return beating_.grants() + mixed_.grants(); }
    std::size_t commits() const { return beating_.commits(); }
    std::size_t classic_generations() const { return classic_.generations(); }

  private:
    using Life = std::function<Task<void>(env::Shard&)>;
    struct Member {
        env::sim::Node* machine = nullptr;
        Life life;
    };
    void add(std::string_view name, int count, const Life& life) {
        for (int i = 0; i < count; ++i) {
            members_.push_back({&world_.add_node(fmt::format("{}-{}", name, i)), life});
        }
    }

    static void start(Member& member) {
        if (member.machine->running()) return;
        member.machine->start([life = member.life](env::Shard& shard) -> Task<int> {
            co_await life(shard);
            co_return 0;
        });
    }
    bool has_all() const {
        for (std::int32_t i = 0; i < partitions; ++i) {
            if (!classic_.has_delivered(i, ledger_.end(i))) return false;
        }
        return true;
    }

    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(0, 5000)));
        Member& member = members_[random().below(members_.size())];
        switch (random().below(8)) {
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
                node_.kill();
                node_.start();
                break;
            default:
                start(member);
                break;
        }
    }

    Ledger ledger_;
    BeatingGroup beating_, mixed_;
    WatchedGroup classic_;
    env::sim::Node& producer_;
    std::vector<Member> members_;
    Member steady_;
};

TEST(GroupSimulation, MembersOfBothProtocolsComeAndGo) {
    std::size_t grants = 0;
    std::size_t commits = 0;
    std::size_t generations = 0;
    std::uint64_t count = for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        grants += trial.grants();
        commits += trial.commits();
        generations += trial.classic_generations();
    });
    EXPECT_GT(grants, 10 * count);
    EXPECT_GT(commits, 2 * count);
    EXPECT_GT(generations, count);
}

}  // namespace
}  // namespace millrace::server
