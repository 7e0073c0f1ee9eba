#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "cli/dispatch.h"
#include "cli/fake_process.h"
#include "cli/reassignment_plan.h"
#include "cli/reassignment_throttles.h"
#include "cli/spread.h"
#include "client/broker_for_tests.h"
#include "env/disk.h"
#include "protocol/alter_partition_reassignments.h"
#include "protocol/describe_cluster.h"
#include "protocol/incremental_alter_configs.h"
#include "protocol/list_partition_reassignments.h"

namespace millrace::cli {
namespace {

using client::BrokerForTests;
using client::TopicPartition;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

const TopicPartition t0{"t", 0};

Result<ReassignmentPlan> parse(std::string_view partitions) {
    return ReassignmentPlan::parse("plan.json",
                                   fmt::format(R"({{"partitions":[{}]}})", partitions));
}

TEST(ReassignmentPlan, SaysWhereReplicasGo) {
    auto plan = parse(R"({"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["any","/d"]},
                         {"topic":"t","partition":1,"replicas":[3]})");
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(plan->replicas, ElementsAre(Pair(t0, ElementsAre(1, 2)),
                                            Pair(TopicPartition{"t", 1}, ElementsAre(3))));
    EXPECT_THAT(plan->directories, ElementsAre(Pair(Replica{2, t0}, "/d")));
    EXPECT_TRUE(plan->check_executable());
    EXPECT_EQ(boost::json::serialize(plan_document(plan->replicas)),
              R"({"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2],)"
              R"("log_dirs":["any","any"]},{"topic":"t","partition":1,"replicas":[3],)"
              R"("log_dirs":["any"]}]})");
}

TEST(ReassignmentPlan, WhatIsWrongIsNamed) {
    for (auto [text, sentence] : {
             std::pair{R"({"topic":"t","partition":0,"replicas":[1],"log_dirs":[]})",
                       "Size of replicas list [1] is different from size of log dirs list []"},
             {R"({"topic":"t","partition":0})", "needs replicas"},
             {R"({"topic":"t","partition":0,"replicas":[1.5]})", "whole numbers"},
             {R"({"topic":"t","partition":0,"replicas":[1],"log_dirs":[7]})", "paths"},
             {R"({"topic":"t","partition":0,"replicas":[]},{"topic":"t","partition":1})",
              "needs replicas"},
             {R"({"topic":"t","partition":0,"replicas":[1]},)"
              R"({"topic":"t","partition":0,"replicas":[1]})",
              "names t-0 twice"},
         }) {
        auto plan = parse(text);
        ASSERT_FALSE(plan) << text;
        EXPECT_THAT(plan.error().message, HasSubstr(sentence));
    }
    EXPECT_THAT(parse("")->check_executable().error().message, HasSubstr("cannot be empty"));
    auto doubled = parse(R"({"topic":"t","partition":0,"replicas":[2,2,1]})");
    EXPECT_THAT(doubled->check_executable().error().message,
                HasSubstr("t-0 contains multiple entries for 2"));
}

TEST(ReassignmentPlan, TopicsToMoveAreNamedOnce) {
    auto topics =
        parse_topics_to_move("f", R"({"topics":[{"topic":"b"},{"topic":"a"}],"version":1})");
    ASSERT_TRUE(topics);
    EXPECT_THAT(*topics, ElementsAre("b", "a"));
    EXPECT_FALSE(parse_topics_to_move("f", R"({"topics":[{"topic":"b"},{"topic":"b"}]})"));
    EXPECT_FALSE(parse_topics_to_move("f", R"({"topics":[{}]})"));
    EXPECT_FALSE(parse_topics_to_move("f", R"({"version":2})"));
    EXPECT_FALSE(parse_topics_to_move("f", "["));
}

TEST(Throttles, SourcesLeadAndDestinationsFollow) {
    client::Reassignments under_way{{{"t", 1}, {{1, 2, 3}, {3}, {1}}}};
    Assignment proposed{{t0, {2, 3}}, {{"t", 1}, {2, 4}}};
    PartitionMoves moves = moves_of(under_way, proposed, {{t0, {1, 2}}, {{"t", 1}, {1, 2, 3}}});
    EXPECT_THAT(moves.at(t0).sources, ElementsAre(1, 2));
    EXPECT_THAT(moves.at(t0).destinations, ElementsAre(3));
    EXPECT_THAT(moves.at({"t", 1}).sources, ElementsAre(1, 2)) << "those that it came from";
    EXPECT_THAT(moves.at({"t", 1}).destinations, ElementsAre(4));
    ConfigChanges changes = throttle(moves, 1000);
    EXPECT_EQ(changes.size(), 5U) << "the topic and brokers 1 to 4";
    const auto& topic = changes.at({client::ResourceType::topic, "t"});
    EXPECT_EQ(topic[0].name, "leader.replication.throttled.replicas");
    EXPECT_EQ(topic[0].value, "0:1,0:2,1:1,1:2");
    EXPECT_EQ(topic[1].value, "0:3,1:4");
    EXPECT_EQ(changes.at({client::ResourceType::broker, "4"})[1].value, "1000");
}

TEST(Spread, LeadersAndFollowersAreDealtOut) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        Random random(seed);
        auto assigned = spread({{1, {}}, {2, {}}, {3, {}}, {5, {}}}, 12, 3, random);
        ASSERT_TRUE(assigned);
        std::map<std::int32_t, int> leads;
        std::map<std::int32_t, int> holds;
        for (const auto& replicas : *assigned) {
            EXPECT_EQ(std::set(replicas.begin(), replicas.end()).size(), 3U);
            ++leads[replicas.front()];
            for (std::int32_t id : replicas) ++holds[id];
        }
        for (std::int32_t id : {1, 2, 3, 5}) {
            EXPECT_EQ(leads[id], 3) << id;
            EXPECT_EQ(holds[id], 9) << id;
        }
    }
}

TEST(Spread, ReplicasLieInDifferentRacks) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        Random random(seed);
        std::vector<SpreadBroker> brokers{{1, "a"}, {2, "a"}, {3, "b"},
                                          {4, "b"}, {5, "c"}, {6, "c"}};
        auto rack = [&](std::int32_t id) {
            return *brokers[static_cast<std::size_t>(id - 1)].rack;
        };
        auto assigned = spread(brokers, 12, 4, random);
        ASSERT_TRUE(assigned);
        std::map<std::int32_t, int> leads;
        for (const auto& replicas : *assigned) {
            std::set<std::string> racks;
            for (std::int32_t id : replicas) racks.insert(rack(id));
            EXPECT_EQ(racks.size(), 3U);
            EXPECT_EQ(std::set(replicas.begin(), replicas.end()).size(), 4U);
            ++leads[replicas.front()];
        }
        for (const auto& [id, times] : leads) EXPECT_EQ(times, 2) << id;
    }
}

TEST(Spread, MoreReplicasThanBrokersAreRefused) {
    Random random(1);
    EXPECT_THAT(spread({{1, {}}}, 1, 2, random).error().message,
                HasSubstr("Replication factor: 2 larger than available brokers: 1"));
    EXPECT_TRUE(spread({{1, {}}}, 3, 1, random));
}

// --- Whole runs -------------------------------------------------------------------------------

struct Ran {
    int code = 0;
    std::string output;
    std::string error;
};
Task<Ran> run_tool(env::Shard& shard, BrokerForTests& broker, std::vector<std::string> words) {
    std::vector<std::string> line{"millrace", "reassign-partitions", "--bootstrap-server",
                                  broker.bootstrap()};
    line.insert(line.end(), words.begin(), words.end());
    FakeProcess process;
    int code = co_await run(shard, process, read_invocation(line, {}), {});
    co_return Ran{code, process.output, process.error};
}

// A cluster of brokers 1 and 2, of which the first answers, with the topic t on it.
class Cluster {
  public:
    explicit Cluster(env::Shard& shard) : broker(shard) {
        broker.versions.erase(ApiKey::describe_topic_partitions);
        broker.on<DescribeClusterRequest>([this](const DescribeClusterRequest&, std::int16_t) {
            DescribeClusterResponse response;
            response.cluster_id = "c";
            response.controller_id = 1;
            for (std::int32_t id : {1, 2})
                response.brokers.push_back(
                    {id, broker.address().host, broker.address().port, {}, false});
            return response;
        });
        broker.on<ListPartitionReassignmentsRequest>(
            [this](const ListPartitionReassignmentsRequest&, std::int16_t) { return under_way; });
        broker.on<AlterPartitionReassignmentsRequest>(
            [this](const AlterPartitionReassignmentsRequest& request, std::int16_t) {
                asked.push_back(request.topics.at(0).partitions.at(0).replicas);
                AlterPartitionReassignmentsResponse response;
                auto& topic = response.responses.emplace_back();
                topic.name = "t";
                topic.partitions.emplace_back().error_code = refusal;
                return response;
            });
        broker.on<IncrementalAlterConfigsRequest>(
            [this](const IncrementalAlterConfigsRequest& request, std::int16_t) {
                IncrementalAlterConfigsResponse response;
                for (const auto& each : request.resources) {
                    for (const auto& config : each.configs)
                        changed.push_back(fmt::format("{} {}={}", each.resource_name, config.name,
                                                      config.value.value_or("(none)")));
                    auto& done = response.responses.emplace_back();
                    done.resource_type = each.resource_type;
                    done.resource_name = each.resource_name;
                }
                return response;
            });
        broker.add_topic("t", {1});
        broker.start();
        broker.metadata.brokers.push_back({2, broker.address().host, broker.address().port, {}});
    }
    void move() {
        auto& topic = under_way.topics.emplace_back();
        topic.name = "t";
        auto& partition = topic.partitions.emplace_back();
        partition.replicas = {2, 1};
        partition.adding_replicas = {2};
        partition.removing_replicas = {1};
    }

    BrokerForTests broker;
    ListPartitionReassignmentsResponse under_way;
    ErrorCode refusal = ErrorCode::none;
    std::vector<std::optional<std::vector<std::int32_t>>> asked;
    std::vector<std::string> changed;
};

std::string plan_file(env::Shard& shard, std::string_view text) {
    std::string path = testing::TempDir() + "millrace-plan-" + std::to_string(getpid());
    EXPECT_TRUE(shard.disk().make_directories(testing::TempDir()));
    EXPECT_TRUE(env::replace_file(shard.disk(), path, std::string(text)));
    return path;
}
constexpr std::string_view to_second =
    R"({"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[2]}]})";

TEST(ReassignPartitions, ExecutesAPlan) {
    client::in_both_worlds([](env::Shard& shard) -> Task<void> {
        Cluster cluster(shard);
        std::string path = plan_file(shard, to_second);
        Ran ran = co_await run_tool(
            shard, cluster.broker,
            {"--execute", "--reassignment-json-file", path, "--throttle", "5000"});
        EXPECT_EQ(ran.code, 0) << ran.error;
        EXPECT_EQ(ran.output,
                  "Current partition replica assignment\n\n"
                  R"({"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1],)"
                  R"("log_dirs":["any"]}]})"
                  "\n\nSave this to use as the --reassignment-json-file option during rollback\n"
                  "Warning: You must run --verify periodically, until the reassignment completes, "
                  "to ensure the throttle is removed.\n"
                  "The inter-broker throttle limit was set to 5000 B/s\n"
                  "Successfully started partition reassignment for t-0\n");
        EXPECT_EQ(cluster.asked.size(), 1U);
        EXPECT_THAT(cluster.changed,
                    testing::Contains("t follower.replication.throttled.replicas=0:2"));
        EXPECT_THAT(cluster.changed, testing::Contains("2 leader.replication.throttled.rate=5000"));
        cluster.refusal = ErrorCode::invalid_replica_assignment;
        ran = co_await run_tool(shard, cluster.broker,
                                {"--execute", "--reassignment-json-file", path});
        EXPECT_EQ(ran.code, 1);
        EXPECT_THAT(ran.error, HasSubstr("Error reassigning partition(s):\nt-0: "));
        cluster.move();
        ran = co_await run_tool(shard, cluster.broker,
                                {"--execute", "--reassignment-json-file", path});
        EXPECT_THAT(ran.error, HasSubstr("there is an existing partition assignment"));
        co_await cluster.broker.stop();
    });
}

TEST(ReassignPartitions, TellsHowFarItIs) {
    client::in_both_worlds([](env::Shard& shard) -> Task<void> {
        Cluster cluster(shard);
        cluster.move();
        std::string path = plan_file(shard, to_second);
        Ran ran = co_await run_tool(shard, cluster.broker,
                                    {"--verify", "--reassignment-json-file", path});
        EXPECT_EQ(ran.code, 0) << ran.error;
        EXPECT_EQ(ran.output,
                  "Status of partition reassignment:\n"
                  "Reassignment of partition t-0 is still in progress.\n\n");
        EXPECT_THAT(cluster.changed, IsEmpty()) << "the throttles stay";
        ran = co_await run_tool(shard, cluster.broker, {"--list"});
        EXPECT_EQ(ran.output,
                  "Current partition reassignments:\n"
                  "t-0: replicas: 2,1. adding: 2. removing: 1.\n");
        cluster.under_way.topics.clear();
        ran = co_await run_tool(shard, cluster.broker,
                                {"--verify", "--reassignment-json-file", path});
        EXPECT_EQ(ran.output,
                  "Status of partition reassignment:\n"
                  "There is no active reassignment of partition t-0, but replica set is 1 rather "
                  "than 2.\n\n"
                  "Clearing broker-level throttles on brokers 1,2\n"
                  "Clearing topic-level throttles on topic t\n");
        EXPECT_EQ(cluster.changed.size(), 8U);
        co_await cluster.broker.stop();
    });
}

TEST(ReassignPartitions, GivesUpWhatGoesOn) {
    client::in_both_worlds([](env::Shard& shard) -> Task<void> {
        Cluster cluster(shard);
        std::string path = plan_file(shard, to_second);
        std::vector<std::string> line{"--cancel", "--reassignment-json-file", path,
                                      "--preserve-throttles"};
        Ran ran = co_await run_tool(shard, cluster.broker, line);
        EXPECT_EQ(ran.output,
                  "None of the specified partition reassignments are active.\n"
                  "None of the specified partition moves are active.");
        EXPECT_THAT(cluster.asked, IsEmpty());
        cluster.move();
        ran = co_await run_tool(shard, cluster.broker, line);
        EXPECT_EQ(ran.code, 0) << ran.error;
        EXPECT_THAT(ran.output,
                    HasSubstr("Successfully cancelled partition reassignment for: t-0\n"));
        EXPECT_THAT(cluster.asked, ElementsAre(std::nullopt));
        co_await cluster.broker.stop();
    });
}

TEST(ReassignPartitions, AWrongCommandLineIsTold) {
    client::in_both_worlds([](env::Shard& shard) -> Task<void> {
        Cluster cluster(shard);
        for (auto [words, sentence] : {
                 std::pair<std::vector<std::string>, std::string>{
                     {"--execute"}, "--execute needs --reassignment-json-file"},
                 {{"--list", "--throttle", "7"},
                  "Option \"--throttle\" can't be used with action \"--list\""},
                 {{"--list", "--verify"}, "--list"},
             }) {
            Ran ran = co_await run_tool(shard, cluster.broker, words);
            EXPECT_EQ(ran.code, 1);
            EXPECT_THAT(ran.error, HasSubstr(sentence));
        }
        co_await cluster.broker.stop();
    });
}

}  // namespace
}  // namespace millrace::cli
