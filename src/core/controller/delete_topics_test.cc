#include "core/controller/delete_topics.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using Answer = DeleteTopicsResponse::DeletableTopicResult;

DeleteTopics by(std::vector<std::pair<std::optional<std::string>, Uuid>> targets) {
    DeleteTopics command{.version = 6};
    for (auto& [name, id] : targets) {
        auto& topic = command.request.topics.emplace_back();
        topic.name = name;
        topic.topic_id = id;
    }
    return command;
}

// Answers come in no order that counts.
std::set<std::string> told(const DeleteTopicsResponse& response) {
    std::set<std::string> all;
    for (const Answer& answer : response.responses) {
        all.insert(fmt::format("{} {} {}: {}", answer.name.value_or("-"),
                               answer.topic_id.is_zero() ? "-" : "id", name_of(answer.error_code),
                               answer.error_message.value_or("-")));
    }
    return all;
}
using Told = std::set<std::string>;

class DeleteTopicsTest : public testing::Test {
  protected:
    DeleteTopicsTest() {
        controller.start_brokers(1);
        t = controller.create("t", {{1}, {1}});
        u = controller.create("u", {{1}});
    }
    ControllerForTests controller;
    Uuid t, u;
};

TEST_F(DeleteTopicsTest, ByNameAndById) {
    EXPECT_EQ(told(controller.run(by({{"t", {}}, {std::nullopt, u}}))),
              (Told{"t id NONE: -", "u id NONE: -"}));
    EXPECT_EQ(controller.state.image().topics.size(), 0U);
    EXPECT_TRUE(controller.state.partitions().led_by(1).empty());
    DeleteTopics old{.version = 1};
    old.request.topic_names = {"t"};
    EXPECT_EQ(told(controller.run(old)),
              (Told{"t - UNKNOWN_TOPIC_OR_PARTITION: This server does not host this "
                    "topic-partition."}));
}

TEST_F(DeleteTopicsTest, TargetsMustBeClear) {
    EXPECT_EQ(told(controller.run(by({{std::nullopt, {}}}))),
              (Told{"- - INVALID_REQUEST: Neither topic name nor id were specified."}));
    EXPECT_EQ(told(controller.run(by({{"t", t}}))),
              (Told{"t id INVALID_REQUEST: You may not specify both topic name and topic id."}));
    EXPECT_EQ(told(controller.run(by({{"t", {}}, {"t", {}}}))),
              (Told{"t - INVALID_REQUEST: Duplicate topic name."}));
    EXPECT_EQ(told(controller.run(by({{std::nullopt, t}, {std::nullopt, t}}))),
              (Told{"- id INVALID_REQUEST: Duplicate topic id."}));
    EXPECT_EQ(told(controller.run(by({{std::nullopt, Uuid{7, 7}}}))),
              (Told{"- id UNKNOWN_TOPIC_ID: This server does not host this topic ID."}));
    EXPECT_EQ(controller.state.image().topics.size(), 2U);
}

TEST_F(DeleteTopicsTest, ATopicNamedTwiceIsNotDeleted) {
    EXPECT_EQ(told(controller.run(by({{"t", {}}, {std::nullopt, t}}))),
              (Told{"t id INVALID_REQUEST: The provided topic name maps to an ID that was already "
                    "supplied."}));
    EXPECT_EQ(controller.state.image().topics.size(), 2U);
}

TEST_F(DeleteTopicsTest, WhoMayNotDescribeLearnsNoName) {
    DeleteTopics command = by({{std::nullopt, t}, {"u", {}}, {"none", {}}});
    command.may_describe = [](std::string_view) { return false; };
    command.may_delete = [](std::string_view) { return false; };
    EXPECT_EQ(told(controller.run(command)),
              (Told{"- id TOPIC_AUTHORIZATION_FAILED: Topic authorization failed.",
                    "u - TOPIC_AUTHORIZATION_FAILED: Topic authorization failed.",
                    "none - TOPIC_AUTHORIZATION_FAILED: Topic authorization failed."}));
    command.may_describe = {};
    EXPECT_EQ(told(controller.run(command)),
              (Told{"t id TOPIC_AUTHORIZATION_FAILED: Topic authorization failed.",
                    "u - TOPIC_AUTHORIZATION_FAILED: Topic authorization failed.",
                    "none - UNKNOWN_TOPIC_OR_PARTITION: This server does not host this "
                    "topic-partition."}));
}

TEST(DeleteTopics, MayBeSwitchedOff) {
    ControllerForTests controller(30, false, "delete.topic.enable=false\n");
    controller.start_brokers(1);
    Uuid id = controller.create("t", {{1}});
    DeleteTopics command = by({{std::nullopt, id}});
    EXPECT_EQ(told(controller.run(command)), (Told{"- id TOPIC_DELETION_DISABLED: -"}));
    DeleteTopics old{.version = 2};
    old.request.topic_names = {"t"};
    EXPECT_EQ(told(controller.run(old)),
              (Told{"t - INVALID_REQUEST: Topic deletion is disabled."}));
    EXPECT_NE(controller.state.image().topics.find("t"), nullptr);
}

}  // namespace
}  // namespace millrace::controller
