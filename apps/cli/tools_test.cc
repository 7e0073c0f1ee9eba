#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/dispatch.h"
#include "cli/fake_process.h"
#include "client/broker_for_tests.h"
#include "protocol/describe_cluster.h"
#include "protocol/describe_configs.h"
#include "protocol/elect_leaders.h"
#include "protocol/list_groups.h"
#include "protocol/list_offsets.h"
#include "protocol/list_partition_reassignments.h"

// Whole tools against a broker that answers what it is told, in the real and the simulated world.

namespace millrace::cli {
namespace {

using client::BrokerForTests;
using client::in_both_worlds;
using testing::HasSubstr;
using testing::IsEmpty;

struct Ran {
    int code = 0;
    std::string output;
    std::string error;
};
Task<Ran> run_tool(env::Shard& shard, std::string bootstrap, std::vector<std::string> line) {
    line.insert(line.begin(), "millrace");
    line.insert(line.end(), {"--bootstrap-server", std::move(bootstrap)});
    FakeProcess process;
    Invocation invocation = read_invocation(line, {});
    int code = co_await run(shard, process, invocation, {});
    co_return Ran{code, process.output, process.error};
}

void answer_configs(BrokerForTests& broker) {
    broker.on<DescribeConfigsRequest>([](const DescribeConfigsRequest& request, std::int16_t) {
        DescribeConfigsResponse response;
        for (const auto& resource : request.resources) {
            auto& result = response.results.emplace_back();
            result.resource_type = resource.resource_type;
            result.resource_name = resource.resource_name;
            auto& own = result.configs.emplace_back();
            own.name = "retention.ms";
            own.value = "1000";
            own.config_source = 1;
            auto& standard = result.configs.emplace_back();
            standard.name = "min.insync.replicas";
            standard.value = "2";
            standard.config_source = 5;
        }
        return response;
    });
}

void answer_topics(BrokerForTests& broker) {
    broker.versions.erase(ApiKey::describe_topic_partitions);  // Metadata tells the same
    answer_configs(broker);
    broker.on<DescribeClusterRequest>([&](const DescribeClusterRequest&, std::int16_t) {
        DescribeClusterResponse response;
        response.cluster_id = "test-cluster";
        response.controller_id = 1;
        response.brokers.push_back({1, broker.address().host, broker.address().port, {}, false});
        return response;
    });
    broker.on<ListPartitionReassignmentsRequest>(
        [](const ListPartitionReassignmentsRequest&, std::int16_t) {
            return ListPartitionReassignmentsResponse{};
        });
    broker.add_topic("beta", {1});
    broker.add_topic("alpha", {1, -1});
    broker.metadata.topics[1].partitions[1].isr_nodes.clear();
}

TEST(Tools, TopicsAreListedInOrder) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        BrokerForTests broker(shard);
        answer_topics(broker);
        broker.start();
        std::vector<std::string> all{"topics", "--list"};
        Ran ran = co_await run_tool(shard, broker.bootstrap(), all);
        EXPECT_EQ(ran.code, 0) << ran.error;
        EXPECT_EQ(ran.output, "alpha\nbeta\n");
        std::vector<std::string> some{"topics", "--list", "--topic", "b.*", "--format", "json"};
        ran = co_await run_tool(shard, broker.bootstrap(), some);
        EXPECT_EQ(ran.output, "{\"topics\":[\"beta\"]}\n");
        co_await broker.stop();
    });
}

TEST(Tools, TopicsAreDescribedAsKafkaDoes) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        BrokerForTests broker(shard);
        answer_topics(broker);
        broker.start();
        std::vector<std::string> line{"topics", "--describe", "--topic", "alpha"};
        Ran ran = co_await run_tool(shard, broker.bootstrap(), line);
        EXPECT_EQ(ran.code, 0) << ran.error;
        EXPECT_EQ(ran.output,
                  "Topic: alpha\tTopicId: AAAAAAAAAAAAAAAAAAAAAg\tPartitionCount: 2\t"
                  "ReplicationFactor: 1\tConfigs: retention.ms=1000\n"
                  "\tTopic: alpha\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: N/A\t"
                  "LastKnownElr: N/A\n"
                  "\tTopic: alpha\tPartition: 1\tLeader: none\tReplicas: -1\tIsr: \tElr: N/A\t"
                  "LastKnownElr: N/A\n");
        line.emplace_back("--unavailable-partitions");
        ran = co_await run_tool(shard, broker.bootstrap(), line);
        EXPECT_EQ(std::ranges::count(ran.output, '\n'), 1);
        EXPECT_THAT(ran.output, HasSubstr("Partition: 1\tLeader: none"));
        line.back() = "--under-min-isr-partitions";
        ran = co_await run_tool(shard, broker.bootstrap(), line);
        EXPECT_EQ(std::ranges::count(ran.output, '\n'), 2);  // min.insync.replicas is 2
        line.insert(line.end(), {"--format", "json"});
        ran = co_await run_tool(shard, broker.bootstrap(), line);
        auto document = boost::json::parse(ran.output);
        const auto& topic = document.at("topics").at(0);
        EXPECT_EQ(topic.at("configs").at("retention.ms").as_string(), "1000");
        EXPECT_TRUE(topic.at("partitions").at(1).at("leader").is_null());
        co_await broker.stop();
    });
}

TEST(Tools, ATopicThatIsNotThereIsAnErrorOnStandardError) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        BrokerForTests broker(shard);
        answer_topics(broker);
        broker.start();
        std::vector<std::string> line{"topics", "--describe", "--topic", "none"};
        Ran ran = co_await run_tool(shard, broker.bootstrap(), line);
        EXPECT_EQ(ran.code, 1);
        EXPECT_THAT(ran.output, IsEmpty());
        EXPECT_EQ(ran.error,
                  "Error while executing topic command : Topic 'none' does not exist as "
                  "expected\n");
        line.emplace_back("--if-exists");
        ran = co_await run_tool(shard, broker.bootstrap(), line);
        EXPECT_EQ(ran.code, 0);
        co_await broker.stop();
    });
}

TEST(Tools, OffsetsAreInTheOrderOfPartitionsAsText) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        BrokerForTests broker(shard);
        broker.versions.erase(ApiKey::describe_topic_partitions);
        broker.add_topic("t", std::vector<std::int32_t>(11, 1));
        broker.on<ListOffsetsRequest>([](const ListOffsetsRequest& request, std::int16_t) {
            ListOffsetsResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.topics.emplace_back();
                answered.name = topic.name;
                for (const auto& partition : topic.partitions) {
                    auto& one = answered.partitions.emplace_back();
                    one.partition_index = partition.partition_index;
                    one.offset = partition.timestamp == -2 ? 0 : 100 + partition.partition_index;
                }
            }
            return response;
        });
        broker.start();
        std::vector<std::string> line{"get-offsets", "--topic-partitions", "t:1-3,t:10"};
        Ran ran = co_await run_tool(shard, broker.bootstrap(), line);
        EXPECT_EQ(ran.output, "t:1:101\nt:10:110\nt:2:102\n") << ran.error;
        std::vector<std::string> earliest{"get-offsets",  "--topic",  "t",
                                          "--partitions", "3,4",      "--time",
                                          "-2",           "--format", "json"};
        ran = co_await run_tool(shard, broker.bootstrap(), earliest);
        EXPECT_EQ(ran.output,
                  "{\"offsets\":[{\"topic\":\"t\",\"partition\":3,\"offset\":0},"
                  "{\"topic\":\"t\",\"partition\":4,\"offset\":0}]}\n");
        std::vector<std::string> none{"get-offsets", "--topic", "x"};
        ran = co_await run_tool(shard, broker.bootstrap(), none);
        EXPECT_EQ(ran.code, 1);
        EXPECT_THAT(ran.error, testing::StartsWith("Error occurred: Could not match any"));
        co_await broker.stop();
    });
}

TEST(Tools, GroupsAreShownWithTheirTypes) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        BrokerForTests broker(shard);
        broker.on<ListGroupsRequest>([](const ListGroupsRequest&, std::int16_t) {
            ListGroupsResponse response;
            response.groups.push_back({"g2", "consumer", "Stable", "consumer"});
            response.groups.push_back({"g1", "consumer", "Empty", "classic"});
            response.groups.push_back({"workers", "connect", "Stable", "classic"});
            return response;
        });
        broker.start();
        std::vector<std::string> all{"groups", "--list"};
        Ran ran = co_await run_tool(shard, broker.bootstrap(), all);
        EXPECT_EQ(ran.output,
                  "GROUP                TYPE                 PROTOCOL            \n"
                  "g1                   Classic              consumer             \n"
                  "g2                   Consumer             consumer             \n"
                  "workers              Classic              connect              \n");
        std::vector<std::string> consumers{"consumer-groups", "--list", "--state"};
        ran = co_await run_tool(shard, broker.bootstrap(), consumers);
        EXPECT_EQ(ran.output,
                  "GROUP                     STATE               \n"
                  "g1                        Empty               \n"
                  "g2                        Stable              \n");
        co_await broker.stop();
    });
}

TEST(Tools, LeadersAreElected) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        BrokerForTests broker(shard);
        std::vector<ElectLeadersRequest> asked;
        broker.on<ElectLeadersRequest>([&](const ElectLeadersRequest& request, std::int16_t) {
            asked.push_back(request);
            ElectLeadersResponse response;
            auto& results = response.replica_election_results.emplace_back();
            results.topic = "t";
            results.partition_result = {
                {.partition_id = 0},
                {.partition_id = 1, .error_code = ErrorCode::election_not_needed},
                {.partition_id = 2, .error_code = ErrorCode::preferred_leader_not_available}};
            return response;
        });
        broker.start();
        std::string bootstrap = broker.bootstrap();
        std::vector<std::string> line{"leader-election", "--election-type", "preferred",
                                      "--all-topic-partitions"};
        Ran ran = co_await run_tool(shard, bootstrap, line);
        EXPECT_EQ(ran.code, 1);
        EXPECT_THAT(ran.output,
                    testing::StartsWith("Successfully completed leader election (PREFERRED) for "
                                        "partitions t-0\nValid replica already elected for "
                                        "partitions t-1\nError completing leader election "
                                        "(PREFERRED) for partition: t-2: "));
        EXPECT_THAT(ran.error, HasSubstr("1 replica(s) could not be elected"));
        EXPECT_FALSE(asked.at(0).topic_partitions.has_value());

        line = {"leader-election", "--election-type", "unclean", "--topic", "t"};
        ran = co_await run_tool(shard, bootstrap, line);
        EXPECT_THAT(ran.error, HasSubstr("--partition"));
        EXPECT_EQ(asked.size(), 1U);
        line.insert(line.end(), {"--partition", "3"});
        ran = co_await run_tool(shard, bootstrap, line);
        EXPECT_EQ(asked.at(1).election_type, 1);
        EXPECT_EQ(asked.at(1).topic_partitions->at(0).topic, "t");
        EXPECT_THAT(asked.at(1).topic_partitions->at(0).partitions, testing::ElementsAre(3));
        co_await broker.stop();
    });
}

TEST(Tools, AClusterThatIsAwayIsOneSentence) {
    client::in_sim(1, [](env::Shard& shard) -> Task<void> {
        std::vector<std::string> line{"topics", "--list"};
        Ran ran = co_await run_tool(shard, "10.9.8.7:9092", line);
        EXPECT_EQ(ran.code, 1);
        EXPECT_THAT(ran.output, IsEmpty());
        EXPECT_THAT(ran.error, testing::StartsWith("Error while executing topic command : "));
        EXPECT_THAT(ran.error, HasSubstr("10.9.8.7:9092"));
        line[1] = "--lists";
        ran = co_await run_tool(shard, "10.9.8.7:9092", line);
        EXPECT_THAT(ran.error, HasSubstr("did you mean --list?"));
    });
}

}  // namespace
}  // namespace millrace::cli
