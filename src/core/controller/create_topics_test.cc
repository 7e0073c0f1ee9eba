#include "core/controller/create_topics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using testing::ElementsAre;
using Answer = CreateTopicsResponse::CreatableTopicResult;
using Topic = CreateTopicsRequest::CreatableTopic;

Topic counted(std::string name, std::int32_t partitions, std::int16_t replicas) {
    Topic topic = ControllerForTests::topic(std::move(name), {});
    topic.num_partitions = partitions;
    topic.replication_factor = replicas;
    return topic;
}

Topic with_config(Topic topic, std::string key, std::optional<std::string> value) {
    auto& config = topic.configs.emplace_back();
    config.name = std::move(key);
    config.value = std::move(value);
    return topic;
}

Answer create(ControllerForTests& controller, Topic topic) {
    CreateTopics command;
    command.request.topics = {std::move(topic)};
    return controller.run(command).topics.at(0);
}

std::string message(const Answer& answer) {
    return fmt::format("{}: {}", name_of(answer.error_code), answer.error_message.value_or(""));
}

TEST(CreateTopics, WritesTheTopicItsConfigsAndItsPartitions) {
    ControllerForTests controller;
    controller.start_brokers(3);
    Answer answer = create(controller, with_config(ControllerForTests::topic("t", {{2, 1}, {3, 2}}),
                                                   "retention.ms", "5"));
    EXPECT_EQ(answer.error_code, ErrorCode::none);
    EXPECT_EQ(answer.error_message, std::nullopt);
    EXPECT_EQ(answer.num_partitions, 2);
    EXPECT_EQ(answer.replication_factor, 2);
    EXPECT_FALSE(answer.topic_id.is_zero());
    std::vector<std::string_view> written;
    for (const auto& record : controller.last) written.push_back(metadata::name_of(record.message));
    EXPECT_THAT(written,
                ElementsAre("TopicRecord", "ConfigRecord", "PartitionRecord", "PartitionRecord"));
    EXPECT_EQ(controller.state.image().topics.find("t")->id, answer.topic_id);
    EXPECT_THAT(controller.partition("t", 0).isr, ElementsAre(2, 1));
    EXPECT_EQ(controller.partition("t", 1).leader, 3);
    EXPECT_EQ(controller.state.image().topic_configs("t").at("retention.ms"), "5");
}

TEST(CreateTopics, DefaultsComeFromTheConfig) {
    ControllerForTests controller(30, false, "num.partitions=4\ndefault.replication.factor=2\n");
    controller.start_brokers(3);
    Answer answer = create(controller, counted("t", -1, -1));
    EXPECT_EQ(answer.num_partitions, 4);
    EXPECT_EQ(answer.replication_factor, 2);
}

TEST(CreateTopics, NamesAreChecked) {
    ControllerForTests controller;
    controller.start_brokers(1);
    controller.create("a.b", {{1}});
    auto refused = [&](const std::string& name) {
        return message(create(controller, ControllerForTests::topic(name, {{1}})));
    };
    EXPECT_EQ(refused("a.b"), "TOPIC_ALREADY_EXISTS: Topic 'a.b' already exists.");
    EXPECT_EQ(refused("a_b"),
              "INVALID_TOPIC_EXCEPTION: Topic 'a_b' collides with existing topic: a.b");
    EXPECT_EQ(refused("__cluster_metadata"),
              "INVALID_REQUEST: Creation of internal topic __cluster_metadata is prohibited.");
    for (const char* name : {"", ".", "..", "a b", "ä"})
        EXPECT_THAT(refused(name), testing::StartsWith("INVALID_TOPIC_EXCEPTION: ")) << name;
    EXPECT_TRUE(controller.last.empty());
}

TEST(CreateTopics, ANameGivenTwiceIsAnsweredOnce) {
    ControllerForTests controller;
    controller.start_brokers(1);
    CreateTopics command;
    command.request.topics = {ControllerForTests::topic("t", {{1}}),
                              ControllerForTests::topic("u", {{1}}),
                              ControllerForTests::topic("t", {{1}})};
    CreateTopicsResponse response = controller.run(command);
    ASSERT_EQ(response.topics.size(), 2U);
    EXPECT_EQ(message(response.topics[0]), "INVALID_REQUEST: Duplicate topic name.");
    EXPECT_EQ(response.topics[1].error_code, ErrorCode::none);
    EXPECT_EQ(controller.state.image().topics.find("t"), nullptr);
}

TEST(CreateTopics, OneThatIsRefusedDoesNotHinderTheOthers) {
    ControllerForTests controller;
    controller.start_brokers(1);
    CreateTopics command;
    command.request.topics = {ControllerForTests::topic("t", {{7}}),
                              ControllerForTests::topic("u", {{1}})};
    CreateTopicsResponse response = controller.run(command);
    EXPECT_EQ(message(response.topics[0]),
              "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 7, but "
              "no such broker is registered.");
    EXPECT_NE(controller.state.image().topics.find("u"), nullptr);
}

TEST(CreateTopics, PermissionsDecideWhatIsMadeAndTold) {
    ControllerForTests controller;
    controller.start_brokers(1);
    CreateTopics command;
    command.request.topics = {ControllerForTests::topic("mine", {{1}}),
                              ControllerForTests::topic("yours", {{1}})};
    command.may_create = [](std::string_view topic) { return topic == "mine"; };
    command.may_describe_configs = [](std::string_view) { return false; };
    CreateTopicsResponse response = controller.run(command);
    EXPECT_EQ(response.topics[0].topic_config_error_code, ErrorCode::topic_authorization_failed);
    EXPECT_EQ(response.topics[0].num_partitions, -1);
    EXPECT_EQ(message(response.topics[1]), "TOPIC_AUTHORIZATION_FAILED: Authorization failed.");
}

TEST(CreateTopics, CountsAreChecked) {
    ControllerForTests controller;
    controller.start_brokers(2);
    EXPECT_EQ(message(create(controller, counted("t", 0, 1))),
              "INVALID_PARTITIONS: Number of partitions was set to an invalid non-positive value.");
    EXPECT_EQ(message(create(controller, counted("t", 1, 0))),
              "INVALID_REPLICATION_FACTOR: Replication factor must be larger than 0, or -1 to use "
              "the default value.");
    EXPECT_EQ(message(create(controller, counted("t", 1, 3))),
              "INVALID_REPLICATION_FACTOR: Unable to replicate the partition 3 time(s): The target "
              "replication factor of 3 cannot be reached because only 2 broker(s) are registered "
              "or some brokers have all their log directories cordoned.");
    EXPECT_EQ(message(create(controller, counted("t", 10'001, 1))),
              "POLICY_VIOLATION: Excessively large number of partitions per request.");
    // 10,000 partitions and the topic itself are one record too many.
    EXPECT_EQ(message(create(controller, counted("t", 10'000, 1))),
              "POLICY_VIOLATION: Unable to perform excessively large batch operation.");
    EXPECT_TRUE(controller.last.empty());
    controller.fence(1);
    controller.fence(2);
    EXPECT_EQ(message(create(controller, counted("t", 1, 1))),
              "INVALID_REPLICATION_FACTOR: Unable to replicate the partition 1 time(s): All "
              "brokers are currently fenced, or have all their log directories cordoned.");
}

TEST(CreateTopics, AssignmentsStandAlone) {
    ControllerForTests controller;
    controller.start_brokers(2);
    Topic topic = ControllerForTests::topic("t", {{1}});
    topic.replication_factor = 1;
    EXPECT_EQ(message(create(controller, topic)),
              "INVALID_REQUEST: A manual partition assignment was specified, but replication "
              "factor was not set to -1.");
    topic.replication_factor = -1;
    topic.num_partitions = 1;
    EXPECT_EQ(message(create(controller, topic)),
              "INVALID_REQUEST: A manual partition assignment was specified, but numPartitions "
              "was not set to -1.");
    topic = ControllerForTests::topic("t", {{1}, {2}});
    topic.assignments[1].partition_index = 2;
    EXPECT_EQ(message(create(controller, topic)),
              "INVALID_REPLICA_ASSIGNMENT: partitions should be a consecutive 0-based integer "
              "sequence");
    topic.assignments[1].partition_index = 0;
    EXPECT_EQ(message(create(controller, topic)),
              "INVALID_REPLICA_ASSIGNMENT: Found multiple manual partition assignments for "
              "partition 0");
    EXPECT_EQ(message(create(controller, ControllerForTests::topic("t", {{1, 1}}))),
              "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes the broker 1 "
              "more than once.");
    EXPECT_EQ(message(create(controller, ControllerForTests::topic("t", {{}}))),
              "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes an empty "
              "replica list.");
    controller.fence(2);
    EXPECT_EQ(message(create(controller, ControllerForTests::topic("t", {{2}}))),
              "INVALID_REPLICA_ASSIGNMENT: All brokers specified in the manual partition "
              "assignment for partition 0 are fenced or in controlled shutdown.");
    // A fenced replica waits outside the ISR.
    create(controller, ControllerForTests::topic("t", {{2, 1}}));
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(1));
    EXPECT_EQ(controller.partition("t").leader, 1);
}

TEST(CreateTopics, ConfigsAreChecked) {
    ControllerForTests controller(30, true);
    controller.start_brokers(1);
    Topic topic = ControllerForTests::topic("t", {{1}});
    EXPECT_EQ(message(create(controller, with_config(topic, "retention.ms", std::nullopt))),
              "INVALID_CONFIG: Null value not supported for topic configs: retention.ms");
    EXPECT_EQ(create(controller, with_config(topic, "retention.ms", "soon")).error_code,
              ErrorCode::invalid_config);
    EXPECT_EQ(create(controller, with_config(topic, "no.such", "1")).error_code,
              ErrorCode::invalid_config);
    // The eligible leaders of a topic of this name, found under another minimum, are none.
    create(controller, with_config(topic, "min.insync.replicas", "1"));
    EXPECT_EQ(metadata::name_of(controller.last.at(2).message), "ClearElrRecord");
}

TEST(CreateTopics, ValidationAloneWritesNothing) {
    ControllerForTests controller;
    controller.start_brokers(1);
    CreateTopics command;
    command.request.topics = {ControllerForTests::topic("t", {{1}})};
    command.request.validate_only = true;
    EXPECT_EQ(controller.run(command).topics[0].error_code, ErrorCode::none);
    EXPECT_TRUE(controller.last.empty());
}

TEST(CreateTopics, ReplicasAreSpreadOverBrokersAndRacks) {
    ControllerForTests controller;
    for (std::int32_t id = 1; id <= 6; ++id)
        controller.start_broker(id, "rack" + std::to_string(id % 3));
    create(controller, counted("t", 12, 3));
    std::map<std::int32_t, int> led;
    for (std::int32_t i = 0; i < 12; ++i) {
        const metadata::Partition& partition = controller.partition("t", i);
        ++led[partition.leader];
        std::set<std::int32_t> racks;
        for (std::int32_t id : partition.replicas) racks.insert(id % 3);
        EXPECT_EQ(racks.size(), 3U) << i;
    }
    for (const auto& [broker, count] : led) EXPECT_EQ(count, 2) << broker;
}

}  // namespace
}  // namespace millrace::controller
