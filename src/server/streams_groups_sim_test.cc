// A streams group (KIP-1071) while members die, are cut off and come back, and the node now and
// then, also after its power went: an active task has one owner, the coordinator makes the group's
// changelog topic, and all tasks are with somebody in the end.

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "client/admin_configs.h"
#include "client/admin_topics.h"
#include "env/sim/fabric.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/streaming_group_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 5;
constexpr std::string_view soon =
    "group.streams.min.session.timeout.ms=1000\ngroup.streams.session.timeout.ms=6000\n"
    "group.streams.min.heartbeat.interval.ms=100\ngroup.streams.heartbeat.interval.ms=500\n"
    "group.streams.assignment.interval.ms=500\n";

class Trial : private NodeTrial {
  public:
    explicit Trial(std::uint64_t seed)
        : NodeTrial(seed, static_cast<int>(1 + seed % 3), soon), group_("streaming", "t") {
        for (int i = 0; i < 4; ++i) members_.push_back(&world_.add_node(fmt::format("m-{}", i)));
    }
    ~Trial() { end(); }

    void run() {
        start_node();
        on_admin([this](env::Shard& shard) -> Task<void> {
            co_await create_topic(shard, "t", partitions);
            co_await with_admin(shard, [&](client::Admin& admin) { return ask_standby(admin); });
        });
        for (int i = 0; i < 25 && !testing::Test::HasFailure(); ++i) suffer();
        world_.fabric().heal();
        for (env::sim::Node* each : members_) start(*each);
        wait_for("the owners", [&] { return group_.held(world_.now()) == partitions; });
        on_admin([this](env::Shard& shard) -> Task<void> {
            co_await with_admin(shard, [&](client::Admin& admin) { return check_topic(admin); });
        });
        group_.finish();
        wait_for("the members", [&] {
            return std::ranges::none_of(members_, [](auto* each) { return each->running(); });
        });
    }
    std::size_t grants() const { return group_.grants(); }

  private:
    Task<void> ask_standby(client::Admin& admin) {
        client::ConfigResource group{client::ResourceType::group, group_.id()};
        auto altered = co_await client::alter_configs(
            admin, {{group, {{.name = "streams.num.standby.replicas", .value = "1"}}}});
        EXPECT_TRUE(altered.at(group)) << altered.at(group).error().message;
    }
    Task<void> check_topic(client::Admin& admin) {
        auto described = co_await client::describe_topics(admin, {group_.changelog()});
        auto& topic = described.at(group_.changelog());
        EXPECT_TRUE(topic) << topic.error().message;
        if (topic) EXPECT_EQ(topic->partitions.size(), std::size_t{partitions});
    }
    void start(env::sim::Node& member) {
        if (member.running()) return;
        member.start([this](env::Shard& shard) -> Task<int> {
            co_await group_.take_part(shard);
            co_return 0;
        });
    }
    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(0, 5000)));
        env::sim::Node& member = *members_[random().below(members_.size())];
        switch (random().below(9)) {
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

    StreamingGroup group_;
    std::vector<env::sim::Node*> members_;
};

TEST(StreamsGroupSimulation, AnActiveTaskHasOneOwner) {
    std::size_t grants = 0;
    std::uint64_t count = for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        grants += trial.grants();
    });
    EXPECT_GT(grants, 10 * count);
}

}  // namespace
}  // namespace millrace::server
