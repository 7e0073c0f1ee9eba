#include "config/describe.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>

#include "base/log.h"
#include "config/alter.h"
#include "config/broker_config.h"
#include "config/tables_for_tests.h"
#include "config/topic_config.h"

namespace millrace::config {
namespace {

log::Area test_area{"config-test"};

// By the codes of Source and Type, as the client names them.
constexpr std::string_view source_names[] = {"UNKNOWN",
                                             "DYNAMIC_TOPIC_CONFIG",
                                             "DYNAMIC_BROKER_CONFIG",
                                             "DYNAMIC_DEFAULT_BROKER_CONFIG",
                                             "STATIC_BROKER_CONFIG",
                                             "DEFAULT_CONFIG",
                                             "DYNAMIC_BROKER_LOGGER_CONFIG",
                                             "DYNAMIC_CLIENT_METRICS_CONFIG",
                                             "DYNAMIC_GROUP_CONFIG"};

std::string line_of(const Described& described) {
    std::vector<std::string> synonyms;
    for (const Synonym& synonym : described.synonyms) {
        synonyms.push_back(fmt::format("{}~{}~{}", synonym.name, synonym.value.value_or("null"),
                                       source_names[static_cast<int>(synonym.source)]));
    }
    return fmt::format("{} {} {} {} {} {} {}", described.name, described.value.value_or("null"),
                       source_names[static_cast<int>(described.source)], described.read_only,
                       described.sensitive, name_of(described.type), fmt::join(synonyms, "|"));
}

std::vector<std::string> lines_of(const std::vector<Described>& all) {
    std::vector<std::string> lines;
    for (const Described& described : all) {
        const Definition* definition = broker_catalogue().find(described.name);
        if (definition == nullptr || !definition->own) lines.push_back(line_of(described));
    }
    return lines;
}

std::vector<std::string> recorded_lines(std::string_view resource) {
    std::vector<std::string> lines;
    for (Row& row : read_table(recorded(MILLRACE_SOURCE_DIR, "described.tsv"))) {
        if (row["resource"] != resource) continue;
        lines.push_back(fmt::format(
            "{} {} {} {} {} {} {}", row["name"], unescape_recorded(row["value"]), row["source"],
            row["read_only"], row["sensitive"], row["type"], unescape_recorded(row["synonyms"])));
    }
    return lines;
}

void expect_same(std::vector<std::string> ours, std::vector<std::string> apaches) {
    ASSERT_FALSE(apaches.empty());
    std::ranges::sort(ours);
    std::ranges::sort(apaches);
    std::vector<std::string> only_ours, only_apaches;
    std::ranges::set_difference(ours, apaches, std::back_inserter(only_ours));
    std::ranges::set_difference(apaches, ours, std::back_inserter(only_apaches));
    EXPECT_EQ(only_ours, only_apaches);
}

// The node that was asked: its file, and what was set on it while it ran.
BrokerConfig recorded_broker() {
    auto properties =
        Properties::parse(read_file(recorded(MILLRACE_SOURCE_DIR, "server.properties")));
    auto config = BrokerConfig::parse(*properties);
    EXPECT_TRUE(config) << config.error().message;
    std::vector<std::string> rejected;
    BrokerConfig dynamic = config->with_dynamic({{"log.segment.bytes", "2097152"},
                                                 {"max.connections", "500"},
                                                 {"min.insync.replicas", "1"}},
                                                {{"log.segment.bytes", "3145728"},
                                                 {"log.retention.ms", "7200000"},
                                                 {"leader.replication.throttled.rate", "1000"}},
                                                rejected);
    EXPECT_TRUE(rejected.empty());
    return dynamic;
}

TEST(DescribeConfigs, AnswersAsApacheDoes) {
    BrokerConfig broker = recorded_broker();
    expect_same(lines_of(describe_broker(broker)), recorded_lines("BROKER:1"));
    expect_same(lines_of(describe_all_nodes(broker)), recorded_lines("BROKER:"));
    expect_same(lines_of(describe_topic(
                    broker, {{"retention.ms", "1000"}, {"cleanup.policy", "compact,delete"}})),
                recorded_lines("TOPIC:t"));
    expect_same(lines_of(describe_group(broker, {{"consumer.session.timeout.ms", "55000"},
                                                 {"share.auto.offset.reset", "earliest"}})),
                recorded_lines("GROUP:g"));
    EXPECT_EQ(
        lines_of(describe_client_metrics({{"interval.ms", "5000"}, {"match", "client_id=a.*"}})),
        recorded_lines("CLIENT_METRICS:s"));
}

TEST(DescribeConfigs, KeepsTheSecretsOfRemoteStorage) {
    std::string text = read_file(recorded(MILLRACE_SOURCE_DIR, "server.properties")) +
                       "\nrsm.config.aws.secret.access.key=hush\n";
    auto broker = BrokerConfig::parse(*Properties::parse(text));
    ASSERT_TRUE(broker) << broker.error().message;
    int seen = 0;
    for (const Described& one : describe_broker(*broker)) {
        EXPECT_NE(one.value, "hush") << one.name;
        for (const Synonym& synonym : one.synonyms) EXPECT_NE(synonym.value, "hush") << one.name;
        seen += one.name == "rsm.config.aws.secret.access.key" ? 1 : 0;
    }
    EXPECT_EQ(seen, 1);
}

TEST(DescribeConfigs, TellsTheTopicsEffectiveValue) {
    TopicConfig topic = TopicConfig::effective(
        recorded_broker(), {{"cleanup.policy", "compact"}, {"segment.ms", "wrong"}});
    EXPECT_TRUE(topic.compacts());
    EXPECT_FALSE(topic.deletes());
    EXPECT_EQ(topic.segment_bytes(), 3145728);
    EXPECT_EQ(topic.retention_ms(), 7200000);
    EXPECT_EQ(topic.segment_ms(), 604800000);
    EXPECT_EQ(topic.compression_type(), "zstd");
    EXPECT_EQ(topic.min_cleanable_dirty_ratio(), 0.25);
    EXPECT_EQ(topic.internal_segment_bytes(), std::nullopt);
}

TEST(DescribeConfigs, LoggersAreLogAreas) {
    ASSERT_TRUE(set_logger("config-test", "DEBUG"));
    auto loggers = describe_loggers();
    auto at = std::ranges::find(loggers, "config-test", &Described::name);
    ASSERT_NE(at, loggers.end());
    EXPECT_EQ(at->value, "DEBUG");
    EXPECT_EQ(at->source, Source::broker_logger);
    EXPECT_FALSE(at->read_only);
    ASSERT_TRUE(set_logger("root", "fatal"));
    EXPECT_FALSE(test_area.enabled(log::Level::warn));
    EXPECT_EQ(set_logger("config-test", "OFF").error().code, ErrorCode::invalid_config);
    EXPECT_EQ(set_logger("nothing", "INFO").error().code, ErrorCode::invalid_config);
}

}  // namespace
}  // namespace millrace::config
