#include "client/client_config.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/ignored_client_keys.h"
#include "config/tables_for_tests.h"

namespace millrace::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Texts = std::vector<std::pair<std::string, std::string>>;

std::vector<config::Property> properties(const Texts& texts, bool with_bootstrap = true) {
    std::vector<config::Property> made;
    if (with_bootstrap) made.push_back({"bootstrap.servers", "localhost:9092"});
    for (const auto& [key, value] : texts) made.push_back({key, value});
    return made;
}

ProducerConfig producer(const Texts& texts) {
    auto config = ProducerConfig::parse(properties(texts));
    EXPECT_TRUE(config) << config.error().message;
    return *config;
}

ConsumerConfig consumer(const Texts& texts) {
    auto config = ConsumerConfig::parse(properties(texts));
    EXPECT_TRUE(config) << config.error().message;
    return *config;
}

template <typename Config>
std::string flaw(const Texts& texts) {
    auto config = Config::parse(properties(texts));
    EXPECT_FALSE(config);
    if (config) return "";
    EXPECT_EQ(config.error().code, ErrorCode::invalid_config);
    return config.error().message;
}

// Keys, types and defaults as Apache Kafka's own classes have them (recorded/Record.java); what is
// not among ours is in the list of those that have no effect.
TEST(ClientConfig, HasTheKeysAndDefaultsOfKafka) {
    auto rows = config::read_table(MILLRACE_SOURCE_DIR "/src/client/recorded/configs.tsv");
    ASSERT_FALSE(rows.empty());
    std::map<std::string, std::size_t> ours;
    for (const config::Row& row : rows) {
        const std::string &kind = row.at("client"), &name = row.at("name");
        SCOPED_TRACE(kind + " " + name);
        const config::Catalogue& catalogue = kind == "producer"   ? config::producer_catalogue()
                                             : kind == "consumer" ? config::consumer_catalogue()
                                                                  : config::admin_catalogue();
        const config::Definition* definition = catalogue.find(name);
        bool ignored = std::ranges::any_of(config::ignored_client_keys(),
                                           [&](const auto& key) { return key.covers(kind, name); });
        EXPECT_NE(definition != nullptr, ignored);
        if (definition == nullptr) continue;
        ++ours[kind];
        EXPECT_EQ(config::name_of(definition->type), row.at("type"));
        std::string text = definition->required
                               ? "(required)"
                               : std::string(definition->default_text.value_or("null"));
        EXPECT_EQ(text.empty() ? "\"\"" : text, row.at("default"));
        constexpr std::string_view importances[] = {"high", "medium", "low"};
        EXPECT_EQ(importances[static_cast<int>(definition->importance)], row.at("importance"));
    }
    EXPECT_EQ(ours["producer"], config::producer_catalogue().all().size());
    EXPECT_EQ(ours["consumer"], config::consumer_catalogue().all().size());
    EXPECT_EQ(ours["admin"], config::admin_catalogue().all().size());
}

TEST(ClientConfig, ReadsWhatAllClientsHave) {
    auto config = consumer({{"bootstrap.servers", "a:1, PLAINTEXT://[::1]:2"},
                            {"client.id", "c"},
                            {"request.timeout.ms", "1234"},
                            {"reconnect.backoff.ms", "7"},
                            {"retry.backoff.max.ms", "99"},
                            {"connections.max.idle.ms", "-1"},
                            {"metadata.recovery.strategy", "none"}});
    const ClusterOptions& options = config.cluster();
    EXPECT_THAT(options.bootstrap, ElementsAre(env::Address{"a", 1}, env::Address{"::1", 2}));
    EXPECT_EQ(options.pool.connection.client_id, "c");
    EXPECT_EQ(options.pool.connection.request_timeout, Duration::milliseconds(1234));
    EXPECT_EQ(options.pool.connection.max_idle, Duration::max());
    EXPECT_EQ(options.pool.reconnect.first, Duration::milliseconds(7));
    EXPECT_EQ(options.retry.most, Duration::milliseconds(99));
    EXPECT_FALSE(options.rebootstrap);
    EXPECT_THAT(config.warnings(), IsEmpty());
}

// Names as Apache Kafka's clients give themselves; a producer may be told to have none.
TEST(ClientConfig, ClientsNameThemselves) {
    auto name_of = [](const auto& config) {
        EXPECT_EQ(config.client_id(), config.cluster().pool.connection.client_id);
        return config.client_id();
    };
    auto admin = [](const Texts& texts) { return *AdminConfig::parse(properties(texts)); };
    auto sharer = [](const Texts& texts) { return *ShareConsumerConfig::parse(properties(texts)); };
    EXPECT_EQ(name_of(producer({})), "producer-1");
    EXPECT_EQ(name_of(producer({{"transactional.id", "t"}})), "producer-t");
    EXPECT_EQ(name_of(producer({{"client.id", ""}})), "");
    EXPECT_EQ(name_of(consumer({})), "consumer-null-1");
    EXPECT_EQ(name_of(consumer({{"group.id", "g"}, {"client.id", ""}})), "consumer-g-1");
    EXPECT_EQ(name_of(consumer({{"group.id", "g"}, {"group.instance.id", "i"}})), "consumer-g-i");
    EXPECT_EQ(name_of(sharer({{"group.id", "g"}})), "consumer-g-1");
    EXPECT_EQ(name_of(admin({})), "adminclient-1");
    EXPECT_EQ(name_of(admin({{"client.id", ""}})), "adminclient-1");
    EXPECT_EQ(name_of(admin({{"client.id", "c"}})), "c");
}

TEST(ClientConfig, NamesEveryWrongKeyWithItsLine) {
    auto config = ProducerConfig::parse({{"linger.ms", "soon", 3},
                                         {"bootstrap.servers", "localhost", 4},
                                         {"security.protocol", "SASL_SSL", 5}});
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().message, HasSubstr("line 3: linger.ms=soon"));
    EXPECT_THAT(config.error().message, HasSubstr("\nline 5: security.protocol=SASL_SSL: this "
                                                  "client has no SASL"));
    EXPECT_THAT(config.error().message, HasSubstr("\nline 4: bootstrap.servers=localhost: "));
    EXPECT_THAT(ConsumerConfig::parse({}).error().message,
                HasSubstr("bootstrap.servers is not set"));
}

TEST(ClientConfig, TheLastValueOfAKeyCounts) {
    EXPECT_EQ(producer({{"linger.ms", "never"}, {"linger.ms", "20"}}).linger_ms(), 20);
}

TEST(ClientConfig, WarnsOfKeysWithoutEffect) {
    EXPECT_THAT(producer({{"key.serializer", "x"}, {"sasl.mechanism", "PLAIN"}}).warnings(),
                IsEmpty());
    EXPECT_THAT(producer({{"partitioner.class", "x"}}).warnings(),
                ElementsAre(HasSubstr("partitioner.class has no effect: ")));
    EXPECT_THAT(producer({{"lingr.ms", "1"}}).warnings(),
                ElementsAre("no config of a producer is named 'lingr.ms', did you mean "
                            "'linger.ms'?"));
    // A key of another kind of client is unknown to this one.
    EXPECT_THAT(producer({{"group.id", "g"}}).warnings(), ElementsAre(HasSubstr("'group.id'")));
}

TEST(ClientConfig, ProducersAreIdempotentUnlessSomethingContradicts) {
    EXPECT_TRUE(producer({}).idempotent());
    EXPECT_EQ(producer({}).required_acks(), -1);
    EXPECT_FALSE(producer({{"acks", "1"}}).idempotent());
    EXPECT_EQ(producer({{"acks", "0"}}).required_acks(), 0);
    EXPECT_FALSE(producer({{"retries", "0"}}).idempotent());
    EXPECT_FALSE(producer({{"max.in.flight.requests.per.connection", "6"}}).idempotent());
    EXPECT_FALSE(producer({{"enable.idempotence", "false"}}).idempotent());
    EXPECT_THAT(flaw<ProducerConfig>({{"acks", "1"}, {"enable.idempotence", "true"}}),
                HasSubstr("acks=1: enable.idempotence=true needs acks=all"));
    EXPECT_THAT(flaw<ProducerConfig>({{"max.in.flight.requests.per.connection", "6"},
                                      {"enable.idempotence", "true"}}),
                HasSubstr("needs at most 5"));
}

TEST(ClientConfig, DeliveryCannotEndBeforeTheFirstRequest) {
    EXPECT_EQ(producer({}).delivery_timeout(), Duration::milliseconds(120000));
    EXPECT_EQ(producer({{"request.timeout.ms", "200000"}}).delivery_timeout(),
              Duration::milliseconds(200005));
    EXPECT_THAT(flaw<ProducerConfig>({{"delivery.timeout.ms", "1000"}}),
                HasSubstr("delivery.timeout.ms=1000"));
}

TEST(ClientConfig, ProducersCompress) {
    auto config = producer({{"compression.type", "zstd"}, {"compression.zstd.level", "7"}});
    EXPECT_EQ(config.codec(), Codec::zstd);
    EXPECT_EQ(config.codec_level(), 7);
    EXPECT_THAT(flaw<ProducerConfig>({{"compression.type", "brotli"}}),
                HasSubstr("none, gzip, snappy, lz4, zstd"));
}

TEST(ClientConfig, TransactionsNeedIdempotence) {
    EXPECT_EQ(producer({{"transactional.id", "t"}}).transactional_id(), "t");
    EXPECT_THAT(flaw<ProducerConfig>({{"transactional.id", "t"}, {"acks", "1"}}),
                HasSubstr("transactional.id=t: it needs enable.idempotence=true"));
}

TEST(ClientConfig, EachProtocolOfGroupsHasItsKeys) {
    EXPECT_FALSE(consumer({}).is_coordinated());
    auto config = consumer({{"group.protocol", "Consumer"}, {"group.remote.assignor", "range"}});
    EXPECT_TRUE(config.is_coordinated());
    EXPECT_EQ(config.group_remote_assignor(), "range");
    for (std::string key :
         {"partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"}) {
        std::string value = key.ends_with("ms") ? "100" : "range";
        EXPECT_THAT(flaw<ConsumerConfig>({{"group.protocol", "consumer"}, {key, value}}),
                    HasSubstr(key + " belongs to group.protocol=classic"));
    }
    EXPECT_THAT(flaw<ConsumerConfig>({{"group.remote.assignor", "range"}}),
                HasSubstr("group.remote.assignor belongs to group.protocol=consumer"));
    EXPECT_THAT(flaw<ConsumerConfig>({{"share.acquire.mode", "record_limit"}}),
                HasSubstr("share.acquire.mode belongs to consumers of share groups"));
}

TEST(ClientConfig, ConsumersKnowWhereToBegin) {
    using Strategy = OffsetReset::Strategy;
    EXPECT_EQ(consumer({}).offset_reset().strategy, Strategy::latest);
    EXPECT_EQ(consumer({{"auto.offset.reset", "none"}}).offset_reset().strategy, Strategy::none);
    auto back = consumer({{"auto.offset.reset", "by_duration:P1DT2H3M4.5S"}}).offset_reset();
    EXPECT_EQ(back.strategy, Strategy::by_duration);
    EXPECT_EQ(back.back.ms(), ((24 + 2) * 3600 + 3 * 60) * 1000 + 4500);
    EXPECT_THAT(flaw<ConsumerConfig>({{"auto.offset.reset", "middle"}}),
                HasSubstr("earliest, latest, none, or by_duration"));
}

TEST(ClientConfig, ConsumersNameAssignorsAsKafkaDoes) {
    EXPECT_THAT(consumer({}).assignors(), ElementsAre("range", "cooperative-sticky"));
    EXPECT_THAT(consumer({{"partition.assignment.strategy",
                           "org.apache.kafka.clients.consumer.StickyAssignor,roundrobin"}})
                    .assignors(),
                ElementsAre("sticky", "roundrobin"));
    EXPECT_THAT(flaw<ConsumerConfig>({{"partition.assignment.strategy", "com.example.Mine"}}),
                HasSubstr("com.example.Mine: not among range"));
}

TEST(ClientConfig, ConsumersCommitOnlyInGroups) {
    EXPECT_FALSE(consumer({}).auto_commit());
    EXPECT_TRUE(consumer({{"group.id", "g"}}).auto_commit());
    EXPECT_THAT(flaw<ConsumerConfig>({{"enable.auto.commit", "true"}}),
                HasSubstr("without group.id"));
    EXPECT_THAT(flaw<ConsumerConfig>({{"group.id", " "}}), HasSubstr("group.id is empty"));
    EXPECT_THAT(flaw<ConsumerConfig>({{"heartbeat.interval.ms", "45000"}}),
                HasSubstr("less than session.timeout.ms, 45000"));
}

TEST(ClientConfig, AdminsBeginAtBrokersOrAtControllers) {
    auto config = AdminConfig::parse({{"bootstrap.controllers", "c:9093"}});
    ASSERT_TRUE(config);
    EXPECT_TRUE(config->cluster().controllers);
    EXPECT_THAT(config->cluster().bootstrap, ElementsAre(env::Address{"c", 9093}));
    EXPECT_THAT(AdminConfig::parse({}).error().message, HasSubstr("bootstrap.servers is not set"));
    EXPECT_THAT(flaw<AdminConfig>({{"bootstrap.controllers", "c:9093"}}), HasSubstr("both set"));
    EXPECT_EQ(AdminConfig::parse(properties({{"request.timeout.ms", "90000"}}))->api_timeout(),
              Duration::seconds(90));
    EXPECT_THAT(flaw<AdminConfig>({{"default.api.timeout.ms", "10"}}),
                HasSubstr("default.api.timeout.ms=10"));
}

}  // namespace
}  // namespace millrace::client
