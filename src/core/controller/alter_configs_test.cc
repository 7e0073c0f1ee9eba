#include "core/controller/alter_configs.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using config::ResourceType;
using Resource = IncrementalAlterConfigsRequest::AlterConfigsResource;

struct Change {
    std::string key;
    std::int8_t operation = 0;  // set, delete, append, subtract
    std::optional<std::string> value;
};

Resource resource(ResourceType type, std::string name, const std::vector<Change>& changes) {
    Resource resource;
    resource.resource_type = static_cast<std::int8_t>(type);
    resource.resource_name = std::move(name);
    for (const Change& change : changes) {
        auto& config = resource.configs.emplace_back();
        config.name = change.key;
        config.config_operation = change.operation;
        config.value = change.value;
    }
    return resource;
}

std::string alter(ControllerForTests& controller, Resource resource) {
    IncrementalAlterConfigs command;
    command.request.resources = {std::move(resource)};
    auto answer = controller.run(command).responses.at(0);
    return fmt::format("{}: {}", name_of(answer.error_code), answer.error_message.value_or("-"));
}

class AlterConfigsTest : public testing::Test {
  protected:
    AlterConfigsTest() {
        controller.start_brokers(2);
        controller.create("t", {{1, 2}});
    }
    std::string topic(const std::vector<Change>& changes) {
        return alter(controller, resource(ResourceType::topic, "t", changes));
    }
    const config::ConfigMap& configs() { return controller.state.image().topic_configs("t"); }
    ControllerForTests controller;
};

TEST_F(AlterConfigsTest, SetsRemovesExtendsAndCuts) {
    EXPECT_EQ(topic({{"retention.ms", 0, "7"}, {"cleanup.policy", 2, "compact"}}), "NONE: -");
    EXPECT_EQ(configs(),
              (config::ConfigMap{{"retention.ms", "7"}, {"cleanup.policy", "delete,compact"}}));
    EXPECT_EQ(topic({{"retention.ms", 1, std::nullopt}, {"cleanup.policy", 3, "delete"}}),
              "NONE: -");
    EXPECT_EQ(configs(), (config::ConfigMap{{"cleanup.policy", "compact"}}));
    EXPECT_EQ(topic({{"cleanup.policy", 0, "compact"}}), "NONE: -");
    EXPECT_TRUE(controller.last.empty()) << "it is so already";
}

TEST_F(AlterConfigsTest, AResourcesChangesAreMadeTogetherOrNotAtAll) {
    EXPECT_THAT(topic({{"retention.ms", 0, "7"}, {"retention.bytes", 0, "many"}}),
                testing::StartsWith("INVALID_CONFIG: "));
    EXPECT_TRUE(configs().empty());
    IncrementalAlterConfigs command;
    command.request.resources = {
        resource(ResourceType::topic, "t", {{"no.such", 0, "1"}}),
        resource(ResourceType::topic, "t2", {{"retention.ms", 0, "1"}}),
        resource(ResourceType::broker, "1", {{"log.retention.ms", 0, "1"}})};
    auto response = controller.run(command);
    EXPECT_EQ(response.responses[0].error_code, ErrorCode::invalid_config);
    EXPECT_EQ(response.responses[1].error_message, "The topic 't2' does not exist.");
    EXPECT_EQ(response.responses[2].error_code, ErrorCode::none);
    EXPECT_EQ(controller.last.size(), 1U);
}

TEST_F(AlterConfigsTest, RequestsMustMakeSense) {
    EXPECT_EQ(topic({{"retention.ms", 0, "1"}, {"retention.ms", 0, "2"}}),
              "INVALID_REQUEST: Error due to duplicate config keys");
    EXPECT_EQ(topic({{"retention.ms", 0, std::nullopt}}),
              "INVALID_REQUEST: Null value not supported for : retention.ms");
    EXPECT_EQ(topic({{"retention.ms", 4, "1"}}), "UNKNOWN_SERVER_ERROR: -");
    EXPECT_THAT(topic({{"retention.ms", 2, "1"}}), testing::StartsWith("INVALID_CONFIG: "));
    EXPECT_EQ(alter(controller, resource(static_cast<ResourceType>(99), "t", {})),
              "INVALID_REQUEST: Unknown resource type 99");
    IncrementalAlterConfigs twice;
    twice.request.resources = {resource(ResourceType::topic, "t", {{"retention.ms", 0, "1"}}),
                               resource(ResourceType::topic, "t", {{"retention.ms", 0, "2"}})};
    for (const auto& answer : controller.run(twice).responses)
        EXPECT_EQ(answer.error_message, "Each resource must appear at most once.");
    EXPECT_TRUE(configs().empty());
}

TEST_F(AlterConfigsTest, ResourcesMustExist) {
    auto of = [&](ResourceType type, const std::string& name) {
        return alter(controller, resource(type, name, {}));
    };
    EXPECT_EQ(of(ResourceType::topic, ""),
              "INVALID_REQUEST: Default topic resources are not allowed.");
    EXPECT_EQ(of(ResourceType::group, ""),
              "INVALID_REQUEST: Default group resources are not allowed.");
    EXPECT_EQ(of(ResourceType::client_metrics, ""),
              "INVALID_REQUEST: Subscription name can't be empty");
    EXPECT_EQ(of(ResourceType::broker, "one"),
              "INVALID_REQUEST: Unable to parse broker name as a base 10 number.");
    EXPECT_EQ(of(ResourceType::broker, "-1"), "INVALID_REQUEST: Invalid negative broker ID.");
    EXPECT_EQ(of(ResourceType::broker, "9"), "BROKER_ID_NOT_REGISTERED: No node with id 9 found.");
    EXPECT_EQ(of(ResourceType::broker, ""), "NONE: -");
    EXPECT_EQ(of(ResourceType::broker, "3000"), "NONE: -") << "a controller";
    EXPECT_EQ(of(ResourceType::group, "new"), "NONE: -");
}

TEST_F(AlterConfigsTest, ValuesHaveALongestLength) {
    std::string half(20'000, 'a');
    EXPECT_EQ(topic({{"follower.replication.throttled.replicas", 0, "*"}}), "NONE: -");
    ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(ResourceType::broker);
    record.resource_name = "1";
    record.name = "log.cleanup.policy";
    record.value = half;
    controller.commit({{record, 0}});
    EXPECT_EQ(alter(controller,
                    resource(ResourceType::broker, "1", {{"log.cleanup.policy", 2, half + "b"}})),
              "INVALID_CONFIG: The configuration value cannot be added because it exceeds the "
              "maximum value size of 32767 bytes.");
}

TEST_F(AlterConfigsTest, PermissionsAreAskedByResource) {
    IncrementalAlterConfigs command;
    command.may_alter = [](const metadata::ConfigResourceView&) { return false; };
    command.request.resources = {resource(ResourceType::topic, "t", {}),
                                 resource(ResourceType::group, "g", {}),
                                 resource(ResourceType::broker, "1", {})};
    auto response = controller.run(command);
    EXPECT_EQ(response.responses[0].error_message, "Topic authorization failed.");
    EXPECT_EQ(response.responses[1].error_code, ErrorCode::group_authorization_failed);
    EXPECT_EQ(response.responses[2].error_message, "Cluster authorization failed.");
}

TEST_F(AlterConfigsTest, BrokersAreToldEvenOfWhatStays) {
    Resource of_all = resource(ResourceType::broker, "", {{"log.retention.ms", 0, "9"}});
    EXPECT_EQ(alter(controller, of_all), "NONE: -");
    EXPECT_EQ(alter(controller, of_all), "NONE: -");
    EXPECT_EQ(controller.last.size(), 1U);
    EXPECT_EQ(controller.state.config().log_retention_ms(), 9);
}

TEST_F(AlterConfigsTest, ValidationAloneWritesNothing) {
    IncrementalAlterConfigs command;
    command.request.validate_only = true;
    command.request.resources = {resource(ResourceType::topic, "t", {{"retention.ms", 0, "1"}})};
    EXPECT_EQ(controller.run(command).responses[0].error_code, ErrorCode::none);
    EXPECT_TRUE(controller.last.empty());
}

TEST_F(AlterConfigsTest, TheOldWayReplacesAll) {
    topic({{"retention.ms", 0, "7"}, {"cleanup.policy", 0, "compact"}});
    AlterConfigs command;
    auto& wanted = command.request.resources.emplace_back();
    wanted.resource_type = static_cast<std::int8_t>(ResourceType::topic);
    wanted.resource_name = "t";
    auto& config = wanted.configs.emplace_back();
    config.name = "segment.bytes";
    config.value = "2097152";
    EXPECT_EQ(controller.run(command).responses[0].error_code, ErrorCode::none);
    EXPECT_EQ(configs(), (config::ConfigMap{{"segment.bytes", "2097152"}}));
    config.value = std::nullopt;
    EXPECT_EQ(controller.run(command).responses[0].error_message,
              "Null value not supported for : segment.bytes");
}

TEST(AlterConfigsWithElr, ThereIsOneMinimumForAllBrokers) {
    ControllerForTests controller(30, true);
    controller.start_brokers(1);
    controller.create("t", {{1}});
    auto minimum = [&](const std::string& broker, std::int8_t op, std::optional<std::string> to) {
        return alter(controller, resource(ResourceType::broker, broker,
                                          {{"min.insync.replicas", op, std::move(to)}}));
    };
    EXPECT_EQ(minimum("1", 0, "1"),
              "INVALID_CONFIG: Broker-level min.insync.replicas cannot be altered while ELR is "
              "enabled.");
    EXPECT_EQ(minimum("", 1, std::nullopt),
              "INVALID_CONFIG: Cluster-level min.insync.replicas cannot be removed while ELR is "
              "enabled.");
    EXPECT_EQ(minimum("", 0, "2"), "NONE: -");
    ASSERT_EQ(controller.last.size(), 2U);
    EXPECT_EQ(std::get<ClearElrRecord>(controller.last[1].message).topic_name, "");
    EXPECT_EQ(
        alter(controller, resource(ResourceType::topic, "t", {{"min.insync.replicas", 0, "3"}})),
        "NONE: -");
    EXPECT_EQ(std::get<ClearElrRecord>(controller.last.at(1).message).topic_name, "t");
}

TEST(Altered, TellsWhatTheConfigsWouldBe) {
    config::ConfigMap before{{"a", "1"}, {"cleanup.policy", "delete"}};
    auto after = altered(
        before,
        resource(ResourceType::topic, "t",
                 {{"a", 1, std::nullopt}, {"b", 0, "2"}, {"cleanup.policy", 2, "compact"}}));
    ASSERT_TRUE(after.has_value());
    EXPECT_EQ(*after, (config::ConfigMap{{"b", "2"}, {"cleanup.policy", "delete,compact"}}));
    EXPECT_FALSE(altered(before, resource(ResourceType::topic, "t", {{"a", 9, "1"}})));
}

}  // namespace
}  // namespace millrace::controller
