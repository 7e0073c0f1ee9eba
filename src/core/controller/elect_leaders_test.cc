#include "core/controller/elect_leaders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int8_t preferred = 0;
constexpr std::int8_t unclean = 1;

class ElectLeadersTest : public testing::Test {
  protected:
    ElectLeadersTest() {
        controller.start_brokers(3);
        controller.create("t", {{1, 2}, {2, 3}, {3, 1}});
    }
    // Comes back, and leads nothing.
    void restart(std::int32_t broker) {
        controller.fence(broker);
        controller.beat(broker);
    }
    ElectLeadersResponse elect(std::int8_t type, std::optional<std::vector<std::int32_t>> of) {
        ElectLeaders command;
        command.request.election_type = type;
        if (of) {
            auto& topics = command.request.topic_partitions.emplace();
            topics.push_back({.topic = "t", .partitions = *of});
        } else {
            command.request.topic_partitions.reset();
        }
        return controller.run(command);
    }
    std::vector<std::int32_t> leaders() {
        std::vector<std::int32_t> ids;
        for (std::int32_t i = 0; i < 3; ++i) ids.push_back(controller.partition("t", i).leader);
        return ids;
    }
    void rejoin(std::int32_t index, const metadata::BrokerIds& isr) {
        PartitionChangeRecord record;
        record.topic_id = controller.state.image().topics.find("t")->id;
        record.partition_id = index;
        record.isr = isr;
        controller.commit({{record, 2}});
    }

    ControllerForTests controller;
};

TEST_F(ElectLeadersTest, ThePreferredReplicaLeadsAgain) {
    restart(1);
    rejoin(0, {2, 1});
    ASSERT_THAT(leaders(), ElementsAre(2, 2, 3));
    auto results = elect(preferred, {{0, 1, 7}}).replica_election_results.at(0).partition_result;
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].error_code, ErrorCode::none);
    EXPECT_EQ(results[1].error_code, ErrorCode::election_not_needed);
    EXPECT_EQ(results[1].error_message, "Leader election not needed for topic partition.");
    EXPECT_EQ(results[2].error_code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(results[2].error_message, "No such partition as t-7");
    EXPECT_THAT(leaders(), ElementsAre(1, 2, 3));
}

TEST_F(ElectLeadersTest, APreferredReplicaOutsideTheIsrIsNotElected) {
    restart(1);
    auto results = elect(preferred, {{0}}).replica_election_results.at(0).partition_result;
    EXPECT_EQ(results.at(0).error_code, ErrorCode::preferred_leader_not_available);
    EXPECT_TRUE(controller.last.empty());
}

TEST_F(ElectLeadersTest, OfAllPartitionsOnlyThoseAreToldThatNeededOne) {
    restart(1);
    rejoin(0, {2, 1});
    auto results = elect(preferred, std::nullopt).replica_election_results;
    ASSERT_EQ(results.size(), 1U);
    ASSERT_EQ(results[0].partition_result.size(), 1U);
    EXPECT_EQ(results[0].partition_result[0].partition_id, 0);
    EXPECT_THAT(leaders(), ElementsAre(1, 2, 3));
}

TEST_F(ElectLeadersTest, AnUncleanElectionTakesWhoIsLeft) {
    controller.fence(2);  // t-0 has the ISR 1 now
    controller.fence(1);
    controller.beat(2);
    ASSERT_FALSE(controller.partition("t").has_leader());
    auto results = elect(unclean, {{0, 2}}).replica_election_results.at(0).partition_result;
    EXPECT_EQ(results.at(0).error_code, ErrorCode::none);
    EXPECT_EQ(results.at(1).error_code, ErrorCode::election_not_needed);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
    EXPECT_EQ(controller.partition("t").recovery, metadata::LeaderRecovery::recovering);
}

TEST_F(ElectLeadersTest, NobodyIsElectedWhereNobodyIsLeft) {
    controller.fence(2);
    controller.fence(1);
    auto results = elect(unclean, {{0}}).replica_election_results.at(0).partition_result;
    EXPECT_EQ(results.at(0).error_code, ErrorCode::eligible_leaders_not_available);
}

TEST_F(ElectLeadersTest, BadRequests) {
    EXPECT_EQ(elect(7, {{0}}).error_code, ErrorCode::invalid_request);
    ElectLeaders nothing;
    nothing.request.topic_partitions.emplace();
    EXPECT_THAT(controller.run(nothing).replica_election_results, IsEmpty());
    nothing.request.topic_partitions->push_back({.topic = "nobody", .partitions = {0}});
    auto results = controller.run(nothing).replica_election_results.at(0).partition_result;
    EXPECT_EQ(results.at(0).error_message, "No such topic as nobody");
}

TEST_F(ElectLeadersTest, LeadershipsAreBalanced) {
    restart(1);
    rejoin(0, {2, 1});
    EXPECT_FALSE(controller.run(BalanceLeaders{}).more);
    EXPECT_THAT(leaders(), ElementsAre(1, 2, 3));
    controller.run(BalanceLeaders{});
    EXPECT_TRUE(controller.last.empty());
}

TEST_F(ElectLeadersTest, OneDecisionMovesAThousand) {
    controller.create("many", std::vector<metadata::BrokerIds>(1'500, {1, 2}));
    restart(1);
    const metadata::Topic& topic = *controller.state.image().topics.find("many");
    metadata::Records joined;
    for (std::int32_t i = 0; i < 1'500; ++i) {
        PartitionChangeRecord record;
        record.topic_id = topic.id;
        record.partition_id = i;
        record.isr = metadata::BrokerIds{2, 1};
        joined.push_back({record, 2});
    }
    controller.commit(joined);
    EXPECT_TRUE(controller.run(BalanceLeaders{}).more);
    EXPECT_EQ(controller.last.size(), 1'000U);
    EXPECT_FALSE(controller.run(BalanceLeaders{}).more);
    EXPECT_EQ(controller.last.size(), 500U);
}

TEST_F(ElectLeadersTest, TopicsThatAllowItGetALeaderByThemselves) {
    controller.fence(2);
    controller.fence(1);
    controller.beat(2);
    controller.run(ElectUncleanLeaders{});
    EXPECT_FALSE(controller.partition("t").has_leader());
    ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(config::ResourceType::topic);
    record.resource_name = "t";
    record.name = "unclean.leader.election.enable";
    record.value = "true";
    controller.commit({{record, 0}});
    EXPECT_FALSE(controller.run(ElectUncleanLeaders{}).more);
    EXPECT_EQ(controller.partition("t").leader, 2);
}

}  // namespace
}  // namespace millrace::controller
