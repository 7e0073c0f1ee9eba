#include "core/controller/mutations.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"
#include "core/controller/create_partitions.h"
#include "core/controller/delete_topics.h"

namespace millrace::controller {
namespace {

using Kind = quotas::MutationQuota::Kind;

// A client that may make and remove eleven partitions at once, and one a second.
class MutationsTest : public testing::Test {
  protected:
    MutationsTest() { controller.start_brokers(1); }

    MutationQuotaPtr quota(Kind kind) {
        return std::make_shared<quotas::MutationQuota>(buckets, quotas::Limit{1, {"client", ""}},
                                                       kind);
    }
    static std::string told(ErrorCode code, const std::optional<std::string>& message,
                            std::int32_t wait) {
        return fmt::format("{} {} {}", name_of(code), message.value_or("-"), wait);
    }
    std::string create(std::string name, std::int32_t partitions, Kind kind,
                       bool validate_only = false) {
        CreateTopics command{.quota = quota(kind)};
        auto& topic = command.request.topics.emplace_back();
        topic.name = std::move(name);
        topic.num_partitions = partitions;
        topic.replication_factor = 1;
        command.request.validate_only = validate_only;
        auto response = controller.run(command);
        const auto& answer = response.topics.at(0);
        return told(answer.error_code, answer.error_message, response.throttle_time_ms);
    }
    std::string remove(std::string name, Kind kind) {
        DeleteTopics command{.version = 4, .quota = quota(kind)};
        command.request.topic_names = {std::move(name)};
        auto response = controller.run(command);
        const auto& answer = response.responses.at(0);
        return told(answer.error_code, answer.error_message, response.throttle_time_ms);
    }
    std::string extend(std::string name, std::int32_t count, Kind kind) {
        CreatePartitions command{.quota = quota(kind)};
        auto& topic = command.request.topics.emplace_back();
        topic.name = std::move(name);
        topic.count = count;
        topic.assignments = std::nullopt;
        auto response = controller.run(command);
        const auto& answer = response.results.at(0);
        return told(answer.error_code, answer.error_message, response.throttle_time_ms);
    }

    quotas::MutationBuckets buckets{quotas::Window{}};
    ControllerForTests controller;
};

std::string refused(int wait) { return fmt::format("THROTTLING_QUOTA_EXCEEDED - {}", wait); }

TEST_F(MutationsTest, AStrictQuotaRefusesOnceOverdrawn) {
    EXPECT_EQ(create("t", 20, Kind::strict), "NONE - 0");
    EXPECT_EQ(create("u", 1, Kind::strict), refused(9000));
    EXPECT_EQ(extend("t", 21, Kind::strict), refused(9000));
    EXPECT_EQ(remove("t", Kind::strict), refused(9000));
    EXPECT_EQ(controller.state.image().topics.size(), 1U);
    controller.pass(Duration::seconds(9));
    EXPECT_EQ(extend("t", 21, Kind::strict), "NONE - 0");
    EXPECT_EQ(remove("t", Kind::strict), refused(1000));
    controller.pass(Duration::seconds(1));
    EXPECT_EQ(remove("t", Kind::strict), "NONE - 0");
    EXPECT_EQ(create("u", 1, Kind::strict), refused(21'000));
}

TEST_F(MutationsTest, APermissiveQuotaHasTheClientWait) {
    EXPECT_EQ(create("t", 11, Kind::permissive), "NONE - 0");
    EXPECT_EQ(extend("t", 14, Kind::permissive), "NONE - 3000");
    EXPECT_EQ(remove("t", Kind::permissive), "NONE - 17000");
    EXPECT_EQ(controller.state.image().topics.size(), 0U);
}

TEST_F(MutationsTest, WhatIsMistakenCostsNothing) {
    EXPECT_EQ(create("t", 11, Kind::strict), "NONE - 0");
    EXPECT_NE(create("t", 100, Kind::strict), "NONE - 0") << "it is there";
    EXPECT_NE(extend("t", 5, Kind::strict), "NONE - 0");
    EXPECT_NE(remove("none", Kind::strict), "NONE - 0");
    EXPECT_EQ(create("u", 5, Kind::strict, true), "NONE - 0") << "asking whether it could costs";
    EXPECT_EQ(create("u", 1, Kind::strict), refused(5000));
}

// Topics of one request are taken in turn: those that come too late are refused.
TEST_F(MutationsTest, ARequestMayBeMetInPart) {
    CreateTopics command{.quota = quota(Kind::strict)};
    for (const char* name : {"a", "b", "c"}) {
        auto& topic = command.request.topics.emplace_back();
        topic.name = name;
        topic.num_partitions = 8;
        topic.replication_factor = 1;
    }
    auto response = controller.run(command);
    EXPECT_EQ(response.topics[0].error_code, ErrorCode::none);
    EXPECT_EQ(response.topics[1].error_code, ErrorCode::none);
    EXPECT_EQ(response.topics[2].error_code, ErrorCode::throttling_quota_exceeded);
    EXPECT_EQ(response.throttle_time_ms, 5000);
    EXPECT_EQ(controller.state.image().topics.size(), 2U);
}

}  // namespace
}  // namespace millrace::controller
