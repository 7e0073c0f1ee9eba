#include "core/controller/create_partitions.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using testing::ElementsAre;
using Answer = CreatePartitionsResponse::CreatePartitionsTopicResult;
using Wanted = CreatePartitionsRequest::CreatePartitionsTopic;

Wanted wanted(std::string name, std::int32_t count,
              const std::vector<metadata::BrokerIds>& assignments = {}) {
    Wanted topic;
    topic.name = std::move(name);
    topic.count = count;
    topic.assignments.reset();
    if (assignments.empty()) return topic;
    topic.assignments.emplace();
    for (const metadata::BrokerIds& brokers : assignments)
        topic.assignments->emplace_back().broker_ids = brokers;
    return topic;
}

std::string create(ControllerForTests& controller, Wanted topic) {
    CreatePartitions command;
    command.request.topics = {std::move(topic)};
    Answer answer = controller.run(command).results.at(0);
    return fmt::format("{}: {}", name_of(answer.error_code), answer.error_message.value_or("-"));
}

class CreatePartitionsTest : public testing::Test {
  protected:
    CreatePartitionsTest() {
        controller.start_brokers(3);
        controller.create("t", {{1, 2}});
    }
    ControllerForTests controller;
};

TEST_F(CreatePartitionsTest, AddsWhatIsMissing) {
    EXPECT_EQ(create(controller, wanted("t", 3, {{2, 3}, {3, 1}})), "NONE: -");
    EXPECT_EQ(controller.state.image().topics.find("t")->partitions.size(), 3U);
    EXPECT_THAT(controller.partition("t", 2).replicas, ElementsAre(3, 1));
    EXPECT_EQ(create(controller, wanted("t", 5)), "NONE: -");
    EXPECT_EQ(controller.partition("t", 4).replicas.size(), 2U);
}

TEST_F(CreatePartitionsTest, TheCountMustGrow) {
    EXPECT_EQ(create(controller, wanted("t", 1)),
              "INVALID_PARTITIONS: Topic already has 1 partition(s).");
    EXPECT_EQ(create(controller, wanted("t", 0)),
              "INVALID_PARTITIONS: The topic t currently has 1 partition(s); 0 would not be an "
              "increase.");
    EXPECT_EQ(create(controller, wanted("none", 4)), "UNKNOWN_TOPIC_OR_PARTITION: -");
    EXPECT_EQ(create(controller, wanted("t", 10'002)),
              "POLICY_VIOLATION: Unable to perform excessively large batch operation.");
    EXPECT_EQ(create(controller, wanted("t", 2'147'483'647)),
              "POLICY_VIOLATION: Unable to perform excessively large batch operation.");
}

TEST_F(CreatePartitionsTest, AssignmentsMustFit) {
    EXPECT_EQ(create(controller, wanted("t", 3, {{2, 3}})),
              "INVALID_REPLICA_ASSIGNMENT: Attempted to add 2 additional partition(s), but only 1 "
              "assignment(s) were specified.");
    EXPECT_EQ(create(controller, wanted("t", 2, {{2}})),
              "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes a partition "
              "with 1 replica(s), but this is not consistent with previous partitions, which have "
              "2 replica(s).");
    EXPECT_EQ(create(controller, wanted("t", 2, {{2, 9}})),
              "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 9, but "
              "no such broker is registered.");
    controller.fence(2);
    controller.fence(3);
    EXPECT_EQ(create(controller, wanted("t", 2, {{2, 3}})),
              "INVALID_REPLICA_ASSIGNMENT: All brokers specified in the manual partition "
              "assignment for partition 1 are fenced or in controlled shutdown.");
}

TEST_F(CreatePartitionsTest, NamesOnceAndWithPermission) {
    CreatePartitions command;
    command.request.topics = {wanted("t", 2), wanted("u", 2), wanted("t", 3)};
    command.may_alter = [](std::string_view topic) { return topic != "u"; };
    CreatePartitionsResponse response = controller.run(command);
    ASSERT_EQ(response.results.size(), 2U);
    EXPECT_EQ(response.results[0].error_message, "Duplicate topic name.");
    EXPECT_EQ(response.results[1].error_code, ErrorCode::topic_authorization_failed);
    EXPECT_EQ(response.results[1].error_message, std::nullopt);
}

TEST_F(CreatePartitionsTest, ValidationAloneWritesNothing) {
    CreatePartitions command;
    command.request.topics = {wanted("t", 4)};
    command.request.validate_only = true;
    EXPECT_EQ(controller.run(command).results[0].error_code, ErrorCode::none);
    EXPECT_TRUE(controller.last.empty());
}

}  // namespace
}  // namespace millrace::controller
