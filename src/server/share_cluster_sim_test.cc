// Share groups (KIP-932) on clusters of three brokers while leaders, group coordinators and share
// coordinators move: brokers and members are killed, lose their power and are cut off. What a
// member was told that it has accepted comes to nobody again, nothing is delivered too often, a
// record is with one member at a time, and every record is done with in the end.

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/admin_configs.h"
#include "client/admin_topics.h"
#include "env/sim/fabric.h"
#include "protocol/create_topics.h"
#include "protocol/share_group_heartbeat.h"
#include "server/ledger_for_tests.h"
#include "server/seeds_for_tests.h"
#include "server/sharing_group_for_tests.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 4;
const std::string lines = std::string(SharingGroup::lines) +
                          "default.replication.factor=3\nmin.insync.replicas=2\n"
                          "offsets.topic.replication.factor=3\noffsets.topic.num.partitions=2\n"
                          "share.coordinator.state.topic.replication.factor=3\n"
                          "share.coordinator.state.topic.min.isr=2\n"
                          "share.coordinator.state.topic.num.partitions=3\n"
                          "share.coordinator.snapshot.update.records.per.snapshot=7\n"
                          "share.coordinator.state.topic.prune.interval.ms=20000\n"
                          "share.coordinator.cold.partition.snapshot.interval.ms=10000\n"
                          "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n"
                          "initial.broker.registration.timeout.ms=600000\n"
                          "replica.lag.time.max.ms=4000\nreplica.fetch.wait.max.ms=200\n"
                          "group.share.partition.max.record.locks=100\n";
constexpr std::string_view no_hurry =
    "delivery.timeout.ms=1200000\nmax.block.ms=1200000\nrequest.timeout.ms=4000\n";
// Until whatever a fault has begun is over: sessions and locks that were of it.
constexpr Duration to_calm_down = Duration::seconds(20);

class Trial {
  public:
    explicit Trial(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          cluster_(world_, three_brokers(seed, lines)),
          ledger_("t", partitions, servers()),
          group_("sharing", "t", servers()),
          producer_(world_.add_node("producer")),
          late_producer_(world_.add_node("late-producer")),
          checker_(world_.add_node("checker")) {
        for (int i = 0; i < 4; ++i) members_.push_back(&world_.add_node(fmt::format("m-{}", i)));
    }
    ~Trial() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    void run() {
        ASSERT_TRUE(cluster_.start_and_wait());
        cluster_.administer([](client::Admin& admin) { return prepare(admin); });
        produce(producer_, 0);
        for (int i = 0; i < 12 && !testing::Test::HasFailure(); ++i) suffer();
        rest();
        for (int i = 0; i < 6 && !testing::Test::HasFailure(); ++i) suffer();
        cluster_.recover();
        start_members();
        ASSERT_TRUE(wait_for([&] { return !producer_.running() && !late_producer_.running(); }))
            << "the producers did not end";
        ASSERT_TRUE(cluster_.wait_for([&] { return cluster_.settled(); }));
        run_on(world_, checker_, [this](env::Shard& shard) { return ledger_.check(shard); });
        ASSERT_TRUE(wait_for([&] { return group_.is_done_with(ledger_); })) << "records are left";
        group_.finish();
        ASSERT_TRUE(wait_for([&] {
            return std::ranges::none_of(members_, [](auto* each) { return each->running(); });
        })) << "members did not end";
    }
    std::size_t accepted() const { return group_.accepted(); }
    std::size_t redelivered() const { return group_.redelivered(); }
    std::size_t held() const { return group_.held(); }

  private:
    Random& random() { return world_.random(); }
    bool wait_for(const std::function<bool()>& done) {
        return cluster_.wait_for(done, Duration::seconds(900));
    }
    std::string servers() const {
        std::string all;
        for (std::int32_t id : cluster_.brokers())
            all += fmt::format("{}{}:9092", all.empty() ? "" : ",", SimulatedCluster::machine(id));
        return fmt::format("bootstrap.servers={}\n", all);
    }
    static Task<void> prepare(client::Admin& admin) {
        client::NewTopic topic;
        topic.name = "t";
        topic.partitions = partitions;
        topic.configs["internal.segment.bytes"] = "5000";
        auto created = co_await client::create_topics(admin, {topic});
        EXPECT_TRUE(created.at("t")) << created.at("t").error().message;
        client::ConfigResource group{client::ResourceType::group, "sharing"};
        auto altered = co_await client::alter_configs(
            admin, {{group, {{.name = "share.auto.offset.reset", .value = "earliest"}}}});
        EXPECT_TRUE(altered.at(group)) << altered.at(group).error().message;
    }
    void produce(env::sim::Node& machine, int producer) {
        machine.start([this, producer](env::Shard& shard) -> Task<int> {
            co_await ledger_.produce(shard, producer, 80, std::string(no_hurry));
            co_return 0;
        });
    }
    void start(env::sim::Node& member) {
        if (member.running()) return;
        member.start([this](env::Shard& shard) -> Task<int> {
            co_await group_.take_part_as_consumer(shard);
            co_return 0;
        });
    }
    void start_members() {
        for (env::sim::Node* each : members_) start(*each);
    }
    // All is well for a while, in which holds are watched.
    void rest() {
        cluster_.recover();
        start_members();
        world_.run_for(to_calm_down);
        group_.undisturbed();
        produce(late_producer_, 1);
        world_.run_for(Duration::seconds(10));
        group_.disturbed();
    }
    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(0, 4000)));
        env::sim::Node& member = *members_[random().below(members_.size())];
        std::vector<std::int32_t> ids = cluster_.node_ids();
        SimulatedNode& node = cluster_.node(ids[random().below(ids.size())]);
        switch (random().below(10)) {
            case 0:
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
                world_.fabric().reset(node.machine(), member);
                break;
            case 4:
                node.kill();
                world_.run_for(Duration::milliseconds(random().between(0, 6000)));
                node.start();
                break;
            case 5:
                node.lose_power();
                world_.run_for(Duration::milliseconds(random().between(0, 6000)));
                node.start();
                break;
            case 6:
                world_.fabric().isolate(node.machine());
                world_.run_for(Duration::milliseconds(random().between(0, 8000)));
                world_.fabric().heal();
                break;
            default:
                start(member);
                break;
        }
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedCluster cluster_;
    Ledger ledger_;
    SharingGroup group_;
    env::sim::Node& producer_;
    env::sim::Node& late_producer_;
    env::sim::Node& checker_;
    std::vector<env::sim::Node*> members_;
};

TEST(ShareClusterSimulation, EveryRecordIsDoneWith) {
    std::size_t accepted = 0;
    std::size_t redelivered = 0;
    std::size_t held = 0;
    std::uint64_t count = for_seeds(4, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        accepted += trial.accepted();
        redelivered += trial.redelivered();
        held += trial.held();
    });
    EXPECT_GT(accepted, 80 * count);
    EXPECT_GT(redelivered, count);
    EXPECT_GT(held, 0U);
}

// A member joins that wants a topic.
Task<ErrorCode> join(client::Admin& admin, std::int32_t coordinator, std::string topic) {
    auto connection = co_await admin.cluster().broker(coordinator);
    CHECK(connection.has_value());
    ShareGroupHeartbeatRequest request{
        .group_id = "sharing",
        .member_id = Uuid::random(admin.shard().random()).to_string(),
        .member_epoch = 0};
    request.subscribed_topic_names = {std::move(topic)};
    auto reply = co_await (*connection)->call(request);
    CHECK(reply.has_value());
    co_return reply->response.error_code;
}

// One that hears of the topic later than the group's coordinator does.
TEST(ShareClusterSimulation, AShareCoordinatorMayLagBehind) {
    env::sim::World world(1);
    SimulatedLog log(world);
    SimulatedCluster cluster(
        world, {.nodes = {{1, Roles::controller}, {11, Roles::broker}, {12, Roles::broker}},
                .lines = "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
                         "share.coordinator.state.topic.replication.factor=1\n"
                         "share.coordinator.state.topic.min.isr=1\n"
                         "share.coordinator.state.topic.num.partitions=8\n"
                         "broker.session.timeout.ms=60000\n"});
    ASSERT_TRUE(cluster.start_and_wait());
    cluster.administer([](client::Admin& admin) -> Task<void> {
        client::NewTopic topic{.name = "earlier", .partitions = 8, .replication_factor = 1};
        EXPECT_TRUE((co_await client::create_topics(admin, {topic})).at("earlier"));
        while (!co_await admin.cluster().coordinator(client::CoordinatorType::group, "sharing"))
            co_await env::sleep_for(admin.shard(), Duration::milliseconds(100));
    });
    const metadata::Topic* offsets =
        cluster.image(1)->topics.find(std::string_view("__consumer_offsets"));
    ASSERT_NE(offsets, nullptr);
    std::int32_t coordinator = offsets->partition(0)->leader;
    std::int32_t late = coordinator == 11 ? 12 : 11;
    cluster.administer([&](client::Admin& admin) -> Task<void> {
        while (co_await join(admin, coordinator, "earlier") != ErrorCode::none)
            co_await env::sleep_for(admin.shard(), Duration::milliseconds(100));
    });

    world.fabric().cut({&cluster.node(1).machine()}, {&cluster.node(late).machine()});
    std::optional<ErrorCode> joined;
    env::sim::Node& member = world.add_node("member");
    member.start([&](env::Shard& shard) -> Task<int> {
        auto config = client_config<client::AdminConfig>(
            fmt::format("bootstrap.servers={}:9092\n", SimulatedCluster::machine(coordinator)));
        client::Admin admin(shard, config);
        auto body = [&]() -> Task<void> {
            auto connection = co_await admin.cluster().broker(coordinator);
            CHECK(connection.has_value());
            CreateTopicsRequest request{
                .topics = {{.name = "t", .num_partitions = 8, .replication_factor = 1}},
                .timeout_ms = 10'000};
            auto created = co_await (*connection)->call(request);
            CHECK(created.has_value());
            EXPECT_EQ(created->response.topics.at(0).error_code, ErrorCode::none);
            while (cluster.image(coordinator)->topics.find(std::string_view("t")) == nullptr)
                co_await env::sleep_for(shard, Duration::milliseconds(10));
            EXPECT_EQ(cluster.image(late)->topics.find(std::string_view("t")), nullptr);
            joined = co_await join(admin, coordinator, "t");
        };
        co_await and_finally(shard, body, [&] { return admin.close(); });
        co_return 0;
    });
    world.run_for(Duration::seconds(1));
    EXPECT_TRUE(member.running());
    world.fabric().heal();
    ASSERT_TRUE(world.run_until([&] { return !member.running(); }));
    EXPECT_EQ(joined, ErrorCode::none);
}

}  // namespace
}  // namespace millrace::server
