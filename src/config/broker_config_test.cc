#include "config/broker_config.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/ignored_broker_keys.h"
#include "config/tables_for_tests.h"

namespace millrace::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view combined = R"(process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
)";

Result<BrokerConfig> parse(std::string_view more = "", std::vector<Property> overrides = {}) {
    auto properties = Properties::parse(std::string(combined) + std::string(more));
    if (!properties) return fail(properties.error());
    return BrokerConfig::parse(*properties, overrides);
}

std::string words_of(const std::vector<Endpoint>& endpoints) {
    std::vector<std::string> words;
    for (const Endpoint& e : endpoints) {
        words.push_back(
            fmt::format("{}/{}/{}/{}", e.listener, name_of(e.protocol), e.host, e.port));
    }
    return fmt::format("{}", fmt::join(words, ","));
}

// listeners, advertised listeners, the brokers' own, directories, retention: Record.java's order.
std::string derived(const BrokerConfig& config) {
    std::int64_t retention = config.log_retention_ms().value_or(
        config.log_retention_minutes() ? std::int64_t{*config.log_retention_minutes()} * 60'000
                                       : std::int64_t{config.log_retention_hours()} * 3'600'000);
    return fmt::format(
        "{} {} {} {} {} {} {} {} {}", words_of(config.broker_endpoints()),
        words_of(config.controller_endpoints()), words_of(config.advertised_broker_endpoints()),
        words_of(config.advertised_controller_endpoints()), config.inter_broker_listener(),
        name_of(config.inter_broker_protocol()), fmt::join(config.log_directories(), ","),
        config.metadata_directory(), retention < 0 ? -1 : retention);
}

// A voter without a host is this machine to Java's resolver and nothing to anybody else; and what
// these compaction lags do not allow, Kafka finds out a moment later, when it opens its logs.
bool is_refused_by_us_alone(std::string_view properties) {
    return properties.find("controller.quorum.voters=1@:9093") != std::string_view::npos ||
           properties.find("log.cleaner.max.compaction.lag.ms=4") != std::string_view::npos;
}

TEST(BrokerConfig, TakesAndRefusesTheFilesThatKafkaDoes) {
    std::vector<Row> rows = read_table(recorded(MILLRACE_SOURCE_DIR, "broker_files.tsv"));
    ASSERT_GT(rows.size(), 400U);
    int refused = 0;
    for (const Row& row : rows) {
        SCOPED_TRACE(row.at("properties"));
        Properties properties;
        for (const std::string& pair : split(row.at("properties"), ';')) {
            std::size_t equals = pair.find('=');
            properties.set(pair.substr(0, equals), pair.substr(equals + 1));
        }
        auto config = BrokerConfig::parse(properties);
        bool takes = row.at("verdict") == "ok" && !is_refused_by_us_alone(row.at("properties"));
        EXPECT_EQ(config.has_value(), takes) << (config ? "" : config.error().message);
        if (config && row.at("verdict") == "ok") EXPECT_EQ(derived(*config), row.at("derived"));
        if (!config) ++refused;
        if (!config) EXPECT_EQ(config.error().code, ErrorCode::invalid_config);
    }
    EXPECT_GT(refused, 200);
}

TEST(BrokerConfig, GivesTypedValues) {
    auto config = parse(
        "log.segment.bytes=2097152\nauto.create.topics.enable=false\n"
        "log.cleaner.min.cleanable.ratio=0.25\nbroker.rack=r1\n");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->log_segment_bytes(), 2097152);
    EXPECT_FALSE(config->auto_create_topics_enable());
    EXPECT_EQ(config->log_cleaner_min_cleanable_ratio(), 0.25);
    EXPECT_EQ(config->broker_rack(), "r1");
    EXPECT_EQ(config->log_retention_ms(), std::nullopt);
    EXPECT_EQ(config->log_retention_hours(), 168);
    EXPECT_EQ(config->offsets_topic_replication_factor(), 3);
    EXPECT_TRUE(config->log_flush_acks_all());
    EXPECT_EQ(config->num_shards(), 0);
    EXPECT_THAT(config->metrics_addresses(), IsEmpty());
    EXPECT_THAT(config->static_voters(), ElementsAre(Voter{1, {"localhost", 9093}}));
    EXPECT_TRUE(config->is_broker() && config->is_controller());
    EXPECT_EQ(config->controller_listener(), "CONTROLLER");
    EXPECT_THAT(config->warnings(), IsEmpty());
}

TEST(BrokerConfig, OverridesWin) {
    auto config = parse("num.partitions=2\n",
                        {{"num.partitions", "5"}, {"metrics.listeners", "127.0.0.1:9404"}});
    ASSERT_TRUE(config);
    EXPECT_EQ(config->num_partitions(), 5);
    EXPECT_THAT(config->metrics_addresses(), ElementsAre(HostPort{"127.0.0.1", 9404}));
    EXPECT_THAT(config->warnings(), IsEmpty());
}

TEST(BrokerConfig, NamesEveryWrongValueWithItsLine) {
    auto config = parse("num.partitions=none\nlog.segment.bytes=1\ncompression.type=lzma\n");
    ASSERT_FALSE(config);
    std::vector<std::string> lines = split(config.error().message, '\n');
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0],
              "line 8: compression.type=lzma: not among the choices; it takes one of uncompressed, "
              "zstd, lz4, snappy, gzip, producer");
    EXPECT_EQ(lines[1],
              "line 7: log.segment.bytes=1: out of range; it takes a whole number of 32 bits, "
              "1048576 or more");
    EXPECT_EQ(lines[2],
              "line 6: num.partitions=none: no such number; it takes a whole number of 32 bits, 1 "
              "or more");
}

TEST(BrokerConfig, NamesEveryKeyThatIsMissing) {
    auto config = BrokerConfig::parse(Properties());
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message,
              "controller.listener.names is not set, and there is no default: it takes at least "
              "one word separated by commas\n"
              "node.id is not set, and there is no default: it takes a whole number of 32 bits, 0 "
              "or more\n"
              "process.roles is not set, and there is no default: it takes at least one word of "
              "broker, controller separated by commas");
}

TEST(BrokerConfig, NoPasswordGetsIntoAnError) {
    for (const Definition& definition : broker_catalogue().all()) {
        if (definition.type == Type::password) {
            EXPECT_TRUE(parse_value(definition, "x, =y")) << definition.name;
        }
    }
}

TEST(BrokerConfig, WarnsOfUnknownKeys) {
    auto config = parse(
        "log.retention.hour=5\nsuper.users=User:a\nnum.partitions=2\n"
        "num.partitions=3\nlistener.name.internal.ssl.key.pasword=x\n"
        "leader.replication.throttled.rate=5\n");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->num_partitions(), 3);
    EXPECT_THAT(
        config->warnings(),
        ElementsAre("line 9: num.partitions is set again, line 8 does not count",
                    "line 10: no config is named 'listener.name.internal.ssl.key.pasword', did you "
                    "mean 'ssl.key.password'?",
                    "line 6: no config is named 'log.retention.hour', did you mean "
                    "'log.retention.hours'?",
                    "line 11: leader.replication.throttled.rate counts only when it is set "
                    "dynamically (kafka-configs)"));
    EXPECT_EQ(config->file_values().at("super.users"), "User:a");
}

TEST(BrokerConfig, WarnsOfKeysWithoutEffect) {
    auto config = parse(
        "metric.reporters=com.example.Reporter\nkafka.metrics.reporters=\n"
        "follower.fetch.last.tiered.offset.enable=false\nqueued.max.requests=7\n");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_THAT(config->warnings(),
                ElementsAre("line 6: metric.reporters has no effect: classes of Java cannot be "
                            "loaded; figures are at /metrics (metrics.listeners)"));
}

TEST(BrokerConfig, EveryIgnoredKeyIsOne) {
    for (const IgnoredBrokerKey& ignored : ignored_broker_keys()) {
        auto covered = [&](const Definition& one) { return ignored.covers(one.name); };
        EXPECT_TRUE(std::ranges::any_of(broker_catalogue().all(), covered)) << ignored.name;
        EXPECT_TRUE(broker_catalogue().find(ignored.name) != nullptr ||
                    ignored.how == IgnoredBrokerKey::How::silent)
            << ignored.name << ": whoever is told hears of one key";
    }
}

TEST(BrokerConfig, KeysOfPluginsAreTheirAffair) {
    auto config = parse(
        "remote.log.storage.manager.impl.prefix=tier.\ntier.s3.bucket.name=a\n"
        "rsm.config.x=1\nrlmm.config.y=2\n");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_THAT(config->warnings(), ElementsAre());
    EXPECT_EQ(config->file_values().at("tier.s3.bucket.name"), "a");
}

TEST(BrokerConfig, ListenersHaveKeysOfTheirOwn) {
    auto config = parse("ssl.client.auth=none\nlistener.name.plaintext.ssl.client.auth=required\n");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->listener_text("PLAINTEXT", "ssl.client.auth"), "required");
    EXPECT_EQ(config->listener_text("OTHER", "ssl.client.auth"), "none");
    EXPECT_EQ(config->listener_text("OTHER", "ssl.protocol"), std::nullopt);
    EXPECT_THAT(parse("listener.name.plaintext.ssl.client.auth=maybe\n").error().message,
                HasSubstr("line 6: listener.name.plaintext.ssl.client.auth"));
}

TEST(BrokerConfig, AllMembersOfAShareGroupMayHaveSessions) {
    EXPECT_TRUE(parse("group.share.max.share.sessions=10\ngroup.share.max.size=10\n"));
    EXPECT_THAT(parse("group.share.max.share.sessions=100\n").error().message,
                HasSubstr("group.share.max.size=200 is more than "
                          "group.share.max.share.sessions=100"));
}

TEST(BrokerConfig, DynamicValuesWinNodeOverCluster) {
    auto config = parse("log.segment.bytes=2097152\nlog.retention.hours=5\n");
    ASSERT_TRUE(config);
    std::vector<std::string> rejected;
    BrokerConfig dynamic = config->with_dynamic(
        {{"log.segment.bytes", "3145728"}, {"max.connections", "7"}},
        {{"log.segment.bytes", "4194304"}, {"log.retention.ms", "60000"}}, rejected);
    EXPECT_THAT(rejected, IsEmpty());
    EXPECT_EQ(dynamic.log_segment_bytes(), 4194304);
    EXPECT_EQ(dynamic.max_connections(), 7);
    EXPECT_EQ(dynamic.log_retention_ms(), 60000);
    EXPECT_EQ(config->log_segment_bytes(), 2097152);

    BrokerConfig again = dynamic.with_dynamic({}, {}, rejected);
    EXPECT_EQ(again.log_segment_bytes(), 2097152);
    EXPECT_EQ(again.log_retention_ms(), std::nullopt);
}

TEST(BrokerConfig, LeavesOutDynamicValuesThatAreWrong) {
    auto config = parse();
    ASSERT_TRUE(config);
    std::vector<std::string> rejected;
    BrokerConfig dynamic = config->with_dynamic(
        {{"log.segment.bytes", "one"}, {"node.id", "9"}, {"max.connections", "7"}}, {}, rejected);
    EXPECT_EQ(rejected.size(), 2U);
    EXPECT_EQ(dynamic.node_id(), 1);
    EXPECT_EQ(dynamic.max_connections(), 7);

    rejected.clear();
    dynamic = config->with_dynamic({{"max.connections", "7"}, {"log.cleaner.threads", "500"}}, {},
                                   rejected);
    EXPECT_EQ(rejected.size(), 1U);
    EXPECT_EQ(dynamic.max_connections(), 2147483647);
}

}  // namespace
}  // namespace millrace::config
