#include "config/alter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/broker_config.h"
#include "config/group_config.h"
#include "config/tables_for_tests.h"
#include "config/text.h"
#include "config/topic_config.h"

namespace millrace::config {
namespace {

using testing::HasSubstr;

BrokerConfig combined() {
    Properties properties;
    properties.set("process.roles", "broker,controller");
    properties.set("node.id", "1");
    properties.set("controller.listener.names", "CONTROLLER");
    properties.set("controller.quorum.voters", "1@localhost:9093");
    properties.set("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093");
    auto config = BrokerConfig::parse(properties);
    EXPECT_TRUE(config);
    return *config;
}

Result<> check(const BrokerConfig& broker, std::string_view resource, const ConfigMap& one) {
    if (resource == "topic") return validate_topic_configs(broker, one);
    if (resource == "group") return validate_group_configs(broker, one);
    if (resource == "client-metrics") return validate_client_metrics_configs(one);
    return check_dynamic(one.begin()->first, one.begin()->second, resource == "all-brokers");
}

TEST(Altered, ValuesAreTakenAndRefusedAsByKafka) {
    BrokerConfig broker = combined();
    std::vector<Row> rows = read_table(recorded(MILLRACE_SOURCE_DIR, "values.tsv"));
    ASSERT_GT(rows.size(), 4000U);
    for (const Row& row : rows) {
        std::string value = unescape_recorded(row.at("value"));
        SCOPED_TRACE(row.at("resource") + " " + row.at("name") + "=" + value);
        // Java refuses names of classes that it does not find.
        const Definition* definition = broker_catalogue().find(base_name(row.at("name")));
        if (definition != nullptr && definition->type == Type::class_name) continue;
        auto verdict = check(broker, row.at("resource"), {{row.at("name"), value}});
        EXPECT_EQ(verdict.has_value(), row.at("verdict") == "ok")
            << (verdict ? "" : verdict.error().message);
        if (!verdict || row.at("resource") != "topic") continue;
        auto parsed = parse_value(*topic_catalogue().find(row.at("name")), value);
        ASSERT_TRUE(parsed);
        if (value != "delete,delete") EXPECT_EQ(to_text(*parsed), row.at("text"));
    }
}

TEST(Altered, UnknownKeysSuggestTheNearest) {
    auto verdict = validate_topic_configs(combined(), {{"retention.mss", "5"}});
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, ErrorCode::invalid_config);
    EXPECT_EQ(verdict.error().message,
              "Unknown topic config name: retention.mss, did you mean 'retention.ms'?");
    EXPECT_EQ(validate_client_metrics_configs({{"intervall", "5"}}).error().code,
              ErrorCode::invalid_request);
    EXPECT_EQ(validate_client_metrics_configs({{"interval.ms", "5"}}).error().code,
              ErrorCode::invalid_request);
    EXPECT_EQ(validate_client_metrics_configs({{"interval.ms", "x"}}).error().code,
              ErrorCode::invalid_config);
}

TEST(Altered, TopicsCombinationsAreChecked) {
    BrokerConfig broker = combined();
    EXPECT_TRUE(validate_topic_configs(
        broker, {{"min.compaction.lag.ms", "5"}, {"max.compaction.lag.ms", "5"}}));
    EXPECT_FALSE(validate_topic_configs(
        broker, {{"min.compaction.lag.ms", "6"}, {"max.compaction.lag.ms", "5"}}));
    EXPECT_THAT(validate_topic_configs(broker, {{"remote.storage.enable", "true"}}).error().message,
                HasSubstr("remote.log.storage.system.enable"));
    ConfigMap before{{"remote.storage.enable", "true"}};
    EXPECT_FALSE(validate_topic_configs(broker, {{"remote.storage.enable", "false"}}, before));
    EXPECT_TRUE(validate_topic_configs(
        broker, {{"remote.storage.enable", "false"}, {"remote.log.delete.on.disable", "true"}},
        before));
}

TEST(Altered, GroupsStayWithinTheBrokersBounds) {
    BrokerConfig broker = combined();
    EXPECT_TRUE(validate_group_configs(broker, {{"consumer.session.timeout.ms", "60000"}}));
    EXPECT_THAT(
        validate_group_configs(broker, {{"consumer.session.timeout.ms", "60001"}}).error().message,
        HasSubstr("group.consumer.max.session.timeout.ms=60000"));
    GroupConfig group = GroupConfig::effective(broker, {{"consumer.session.timeout.ms", "99000"}});
    EXPECT_EQ(group.consumer_session_timeout_ms(), 60000);
    EXPECT_EQ(group.share_auto_offset_reset(), "latest");
}

TEST(Altered, ListsAreAppendedToAndSubtractedFrom) {
    auto altered = [](AlterOp op, std::optional<std::string_view> current,
                      std::optional<std::string_view> operand) {
        return alter(ResourceType::topic, "cleanup.policy", op, current, operand);
    };
    EXPECT_EQ(altered(AlterOp::append, std::nullopt, "compact"), "delete,compact");
    EXPECT_EQ(altered(AlterOp::append, "compact", "compact"), "compact");
    EXPECT_EQ(altered(AlterOp::subtract, "compact,delete", "delete"), "compact");
    EXPECT_EQ(altered(AlterOp::subtract, "delete", "delete"), "");
    EXPECT_EQ(altered(AlterOp::set, "delete", "compact"), "compact");
    EXPECT_FALSE(altered(AlterOp::remove, "delete", std::nullopt)->has_value());
    EXPECT_FALSE(altered(AlterOp::set, "delete", std::nullopt));
    EXPECT_FALSE(alter(ResourceType::topic, "retention.ms", AlterOp::append, "5", "6"));
    EXPECT_FALSE(alter(ResourceType::broker_logger, "x", AlterOp::append, "5", "6"));
}

TEST(Altered, ANodeRefusesWhatItCouldNotRunWith) {
    BrokerConfig broker = combined();
    EXPECT_TRUE(validate_broker_configs(broker, {{"log.cleaner.threads", "2"}}, true));
    EXPECT_THAT(
        validate_broker_configs(broker, {{"log.cleaner.threads", "3"}}, true).error().message,
        HasSubstr("increased to more than double the current value 1"));
    EXPECT_THAT(
        validate_broker_configs(broker, {{"log.cleaner.threads", "0"}}, true).error().message,
        HasSubstr("at least 1"));
    EXPECT_THAT(
        validate_broker_configs(broker, {{"log.cleaner.threads", "500"}}, true).error().message,
        HasSubstr("log.cleaner.dedupe.buffer.size"));
    EXPECT_FALSE(validate_broker_configs(broker, {{"node.id", "2"}}, false));
    EXPECT_TRUE(
        validate_broker_configs(broker, {{"num.recovery.threads.per.data.dir", "4"}}, true));
    EXPECT_EQ(validate_broker_configs(broker, {{"num.recovery.threads.per.data.dir", "5"}}, true)
                  .error()
                  .message,
              "Dynamic thread count update validation failed for "
              "num.recovery.threads.per.data.dir=5, value should not be greater than double the "
              "current value 2");
    EXPECT_THAT(validate_broker_configs(broker, {{"num.io.threads", "3"}}, true).error().message,
                HasSubstr("at least half the current value 8"));
}

TEST(Text, DurationsAndExpressions) {
    for (const char* text : {"PT1H", "P1D", "P1DT2H3M4.5S", "pt0.1s"}) {
        EXPECT_TRUE(is_iso_duration(text)) << text;
    }
    for (const char* text :
         {"", "P", "PT", "P1H", "PT1D", "PT1S2M", "P1DT", "1H", "PT1.5H", "PT-1S"}) {
        EXPECT_FALSE(is_iso_duration(text)) << text;
    }
    for (const char* text : {"a.*", "(a|b)+", "[^)]*", "\\(", "(?i)a", "a{2}"}) {
        EXPECT_TRUE(is_balanced_regex(text)) << text;
    }
    for (const char* text : {"(", "a)", "[", "\\", "*a", "(*)", "|+"}) {
        EXPECT_FALSE(is_balanced_regex(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::config
