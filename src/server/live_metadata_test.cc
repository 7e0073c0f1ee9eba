// Reading the metadata of simulated clusters that run.

#include "server/live_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <utility>

#include "client/admin_topics.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

using testing::HasSubstr;

// Reads on a machine of its own whenever it is asked to.
class Reader {
  public:
    Reader(env::sim::World& world, LiveAddress address)
        : machine_(world.add_node("reader")), address_(std::move(address)) {
        machine_.start([this](env::Shard& shard) { return live(shard); });
    }
    ~Reader() { end(); }
    void ask() {
        ++asked_;
        told_.notify_all();
    }
    void end() {
        ended_ = true;
        told_.notify_all();
    }
    bool running() const { return machine_.running(); }
    bool answered() const { return answered_ == asked_ || !running(); }
    const Result<ShellSource>& answer() const { return answer_; }

  private:
    Task<int> live(env::Shard& shard) {
        auto opened = co_await LiveMetadata::open(shard, address_);
        if (!opened) {
            answer_ = fail(opened.error());
            co_return 1;
        }
        auto serve = [&]() -> Task<void> {
            while (!ended_) {
                co_await told_.until([&] { return ended_ || answered_ < asked_; });
                if (!ended_) answer_ = co_await (*opened)->read();
                answered_ = asked_;
            }
        };
        co_await and_finally(shard, serve, [&] { return (*opened)->close(); });
        co_return 0;
    }

    env::sim::Node& machine_;
    LiveAddress address_;
    Condition told_;
    int asked_ = 0;
    int answered_ = 0;
    bool ended_ = false;
    Result<ShellSource> answer_ = fail(ErrorCode::unknown_server_error, "nothing was asked");
};

ClusterShape three_controllers(bool dynamic) {
    return {.nodes = {{1, Roles::controller},
                      {2, Roles::controller},
                      {3, Roles::controller},
                      {11, Roles::broker}},
            .dynamic = dynamic};
}

class LiveMetadataTest : public testing::Test {
  protected:
    static void create(SimulatedCluster& cluster, std::string name) {
        cluster.administer([=](client::Admin& admin) -> Task<void> {
            client::NewTopic topic{.name = name, .partitions = 2, .replication_factor = 1};
            auto created = co_await client::create_topics(admin, {topic});
            EXPECT_TRUE(created.at(name)) << created.at(name).error().message;
        });
    }
    // What a reader sees is what the leader has.
    static void expect_all(SimulatedCluster& cluster, Reader& reader, std::string_view topic) {
        reader.ask();
        ASSERT_TRUE(cluster.wait_for([&] { return reader.answered(); }));
        ASSERT_TRUE(reader.answer()) << reader.answer().error().message;
        const ShellSource& source = *reader.answer();
        EXPECT_NE(source.image->topics.find(topic), nullptr);
        ASSERT_TRUE(cluster.leader());
        EXPECT_TRUE(source.image->same_content(*cluster.image(*cluster.leader())));
        EXPECT_EQ(source.provenance.offset, source.image->offset);
        EXPECT_GT(source.provenance.time, 0);
    }
    // Why nothing is read.
    static std::string refusal(env::sim::World& world, LiveAddress address) {
        std::string path = "/client.properties";
        address.command_config = path;
        env::sim::Node& machine = world.add_node(fmt::format("reader{}", world.now().ns()));
        std::string why;
        run_on(world, machine, [&](env::Shard& shard) -> Task<void> {
            std::string text = "default.api.timeout.ms=5000\nrequest.timeout.ms=2000\n";
            auto file = shard.disk().open(path, {.write = true, .create = true});
            EXPECT_TRUE(file && (*file)->write(0, as_bytes(text)));
            auto live = co_await LiveMetadata::open(shard, address);
            if (!live) {
                why = live.error().message;
                co_return;
            }
            auto read = co_await (*live)->read();
            EXPECT_FALSE(read);
            if (!read) why = read.error().message;
            co_await (*live)->close();
        });
        return why;
    }

    env::sim::World world{1};
    SimulatedLog log{world};
};

TEST_F(LiveMetadataTest, FollowsTheLeaderOfEitherKindOfQuorum) {
    for (bool dynamic : {false, true}) {
        env::sim::World own(dynamic ? 2 : 3);
        SimulatedLog lines(own);
        SimulatedCluster cluster(own, three_controllers(dynamic));
        ASSERT_TRUE(cluster.start_and_wait());
        create(cluster, "first");
        // One that follows leads to the one that leads.
        std::int32_t first = *cluster.leader();
        Reader reader(
            own, {.bootstrap_controller = SimulatedCluster::machine(first == 1 ? 2 : 1) + ":9093"});
        expect_all(cluster, reader, "first");
        create(cluster, "second");
        expect_all(cluster, reader, "second");
        cluster.node(first).kill();
        ASSERT_TRUE(
            cluster.wait_for([&] { return cluster.leader() && *cluster.leader() != first; }));
        create(cluster, "third");
        expect_all(cluster, reader, "third");
        reader.end();
        ASSERT_TRUE(cluster.wait_for([&] { return !reader.running(); }));
    }
}

TEST_F(LiveMetadataTest, BrokersTellWhereTheControllersAre) {
    SimulatedCluster cluster(world, three_controllers(true));
    ASSERT_TRUE(cluster.start_and_wait());
    create(cluster, "t");
    Reader reader(world, {.bootstrap_server = "node11:9092", .cluster_id = "cluster-of-tests"});
    expect_all(cluster, reader, "t");
    reader.end();
    ASSERT_TRUE(cluster.wait_for([&] { return !reader.running(); }));
}

TEST_F(LiveMetadataTest, SaysWhatIsWrong) {
    SimulatedCluster cluster(world, three_controllers(false));
    ASSERT_TRUE(cluster.start_and_wait());
    EXPECT_THAT(refusal(world, {.bootstrap_controller = "node11:9092"}),
                HasSubstr("Use --bootstrap-server"));
    EXPECT_THAT(refusal(world, {.bootstrap_server = "node1:9093"}),
                HasSubstr("Use --bootstrap-controller"));
    EXPECT_THAT(refusal(world, {.bootstrap_controller = "node1:1"}),
                HasSubstr("bootstrap controller at node1:1 takes no connection"));
    for (bool broker : {false, true}) {
        LiveAddress address{.cluster_id = "another"};
        (broker ? address.bootstrap_server : address.bootstrap_controller) =
            broker ? "node11:9092" : "node1:9093";
        std::string why = refusal(world, address);
        EXPECT_THAT(why, HasSubstr("has the id cluster-of-tests"));
        EXPECT_THAT(why, HasSubstr("another"));
    }
    EXPECT_THAT(refusal(world, {.bootstrap_controller = "node1"}), HasSubstr("node1"));
}

}  // namespace
}  // namespace millrace::server
