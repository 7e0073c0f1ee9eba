#include "client/client_config.h"

#include <algorithm>
#include <fmt/core.h>
#include <optional>

#include "client/client_config_parser.h"
#include "client/iso_duration.h"
#include "config/text.h"
#include "env/disk.h"
#include "env/shard.h"

namespace millrace::client {
namespace {

constexpr std::int32_t most_idempotent_requests = 5;

OffsetReset parse_offset_reset(std::string_view text) {
    using Strategy = OffsetReset::Strategy;
    if (text == "none") return {Strategy::none, {}};
    if (text == "earliest") return {Strategy::earliest, {}};
    if (text == "latest") return {Strategy::latest, {}};
    return {Strategy::by_duration, parse_iso_duration(text.substr(text.find(':') + 1))};
}

// The name of a way to assign partitions, from itself or from Java's class for it.
std::optional<std::string_view> assignor_named(std::string_view text) {
    constexpr std::string_view package = "org.apache.kafka.clients.consumer.";
    constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"range", "RangeAssignor"},
        {"roundrobin", "RoundRobinAssignor"},
        {"sticky", "StickyAssignor"},
        {"cooperative-sticky", "CooperativeStickyAssignor"},
    };
    if (text.starts_with(package)) text.remove_prefix(package.size());
    for (const auto& [name, class_name] : names) {
        if (text == name || text == class_name) return name;
    }
    return std::nullopt;
}

// As Java's first consumer of a process calls itself, without a group, too.
std::string consumer_name(const ClientConfigParser& parser) {
    return fmt::format("consumer-{}-{}", parser.text_or("group.id", "null"),
                       parser.text_or("group.instance.id", "1"));
}

int level_of(Codec codec, const config::ProducerSettings& settings) {
    switch (codec) {
        case Codec::gzip:
            return settings.compression_gzip_level();
        case Codec::lz4:
            return settings.compression_lz4_level();
        case Codec::zstd:
            return settings.compression_zstd_level();
        default:
            return 0;
    }
}

}  // namespace

Result<ProducerConfig> ProducerConfig::parse(const std::vector<config::Property>& properties) {
    ClientConfigParser parser(config::producer_catalogue(), "producer", properties);
    if (!parser.is_set("client.id")) {
        parser.call_it(fmt::format("producer-{}", parser.text_or("transactional.id", "1")));
    }
    ProducerConfig made(parser.take_values());
    made.cluster_ = parser.cluster_options(made);
    made.cluster_.allow_auto_topic_creation = true;
    made.required_acks_ = made.acks() == "1" ? 1 : made.acks() == "0" ? 0 : -1;
    made.codec_ = codec_named(made.compression_type()).value_or(Codec::none);
    made.codec_level_ = level_of(made.codec_, made);

    bool many = made.max_in_flight_requests_per_connection() > most_idempotent_requests;
    made.idempotent_ = made.enable_idempotence();
    if (parser.is_set("enable.idempotence") && made.idempotent_) {
        parser.require(made.required_acks_ == -1, "acks",
                       fmt::format("acks={}: enable.idempotence=true needs acks=all", made.acks()));
        parser.require(made.retries() > 0, "retries",
                       "retries=0: enable.idempotence=true needs at least 1");
        parser.require(
            !many, "max.in.flight.requests.per.connection",
            fmt::format("max.in.flight.requests.per.connection={}: "
                        "enable.idempotence=true needs at most {}",
                        made.max_in_flight_requests_per_connection(), most_idempotent_requests));
    } else if (made.required_acks_ != -1 || made.retries() == 0 || many) {
        made.idempotent_ = false;
    }

    std::int64_t least = made.linger_ms() + made.request_timeout_ms();
    std::int64_t delivery = made.delivery_timeout_ms();
    parser.require(delivery >= least || !parser.is_set("delivery.timeout.ms"),
                   "delivery.timeout.ms",
                   fmt::format("delivery.timeout.ms={}: it cannot be less than linger.ms and "
                               "request.timeout.ms together, {}",
                               delivery, least));
    made.delivery_timeout_ = Duration::milliseconds(std::max(delivery, least));
    if (made.transactional_id() && !made.idempotent_) {
        parser.wrong("transactional.id",
                     fmt::format("transactional.id={}: it needs enable.idempotence=true, acks=all, "
                                 "retries, and at most {} requests in flight",
                                 *made.transactional_id(), most_idempotent_requests));
    }
    RETURN_IF_ERROR(parser.verdict());
    made.warnings_ = parser.take_warnings();
    return made;
}

Result<ConsumerConfig> ConsumerConfig::parse(const std::vector<config::Property>& properties) {
    ClientConfigParser parser(config::consumer_catalogue(), "consumer", properties);
    parser.call_it(consumer_name(parser));
    ConsumerConfig made(parser.take_values());
    made.cluster_ = parser.cluster_options(made);
    made.cluster_.allow_auto_topic_creation = made.allow_auto_create_topics();
    made.isolation_ = made.isolation_level() == "read_committed" ? IsolationLevel::read_committed
                                                                 : IsolationLevel::read_uncommitted;
    made.offset_reset_ = parse_offset_reset(made.auto_offset_reset());
    for (const std::string& word : made.partition_assignment_strategy()) {
        if (auto name = assignor_named(word)) {
            made.assignors_.emplace_back(*name);
        } else {
            parser.wrong("partition.assignment.strategy",
                         fmt::format("partition.assignment.strategy={}: not among range, "
                                     "roundrobin, sticky, cooperative-sticky and Java's classes "
                                     "for them",
                                     word));
        }
    }
    made.coordinated_ = config::equal_ignoring_case(made.group_protocol(), "consumer");
    for (std::string_view key :
         {"partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"}) {
        parser.require(!made.coordinated_ || !parser.is_set(key), key,
                       fmt::format("{} belongs to group.protocol=classic; with consumer the "
                                   "group's configs on the broker say it",
                                   key));
    }
    auto assignor = made.group_remote_assignor();
    parser.require(made.coordinated_ || !assignor || assignor->empty(), "group.remote.assignor",
                   "group.remote.assignor belongs to group.protocol=consumer");
    for (std::string_view key : {"share.acknowledgement.mode", "share.acquire.mode"}) {
        parser.require(!parser.is_set(key), key,
                       fmt::format("{} belongs to consumers of share groups", key));
    }
    parser.require(made.heartbeat_interval_ms() < made.session_timeout_ms(),
                   "heartbeat.interval.ms",
                   fmt::format("heartbeat.interval.ms={}: it has to be less than "
                               "session.timeout.ms, {}",
                               made.heartbeat_interval_ms(), made.session_timeout_ms()));
    auto group = made.group_id();
    parser.require(!group || !config::trim(*group).empty(), "group.id",
                   "group.id is empty: give the group a name, or leave group.id out");
    made.auto_commit_ = made.enable_auto_commit();
    if (!group) {
        parser.require(!made.auto_commit_ || !parser.is_set("enable.auto.commit"),
                       "enable.auto.commit",
                       "enable.auto.commit=true: without group.id there is nothing to commit to");
        made.auto_commit_ = false;
    }
    RETURN_IF_ERROR(parser.verdict());
    made.warnings_ = parser.take_warnings();
    return made;
}

Result<ShareConsumerConfig> ShareConsumerConfig::parse(
    const std::vector<config::Property>& properties) {
    ClientConfigParser parser(config::consumer_catalogue(), "consumer", properties);
    parser.call_it(consumer_name(parser));
    ShareConsumerConfig made(parser.take_values());
    made.cluster_ = parser.cluster_options(made);
    made.cluster_.allow_auto_topic_creation = made.allow_auto_create_topics();
    for (std::string_view key :
         {"auto.offset.reset", "enable.auto.commit", "group.instance.id", "isolation.level",
          "partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms",
          "group.protocol", "group.remote.assignor"}) {
        parser.require(!parser.is_set(key), key,
                       fmt::format("{} has no meaning in a share group: leave it out; the group's "
                                   "configs on the broker (share.*) say what all members do",
                                   key));
    }
    auto group = made.group_id();
    parser.require(!group || !config::trim(*group).empty(), "group.id",
                   "group.id is empty: name the share group to read as");
    made.explicit_mode_ = made.share_acknowledgement_mode() == "explicit";
    made.record_limit_ = config::equal_ignoring_case(made.share_acquire_mode(), "record_limit");
    RETURN_IF_ERROR(parser.verdict());
    made.warnings_ = parser.take_warnings();
    return made;
}

Result<config::Properties> read_properties(env::Shard& shard, std::string_view path) {
    ASSIGN_OR_RETURN(std::string content, env::read_file(shard.disk(), path));
    auto parsed = config::Properties::parse(content);
    if (parsed) return parsed;
    return fail(parsed.error().code, fmt::format("{}: {}", path, parsed.error().message));
}

Result<AdminConfig> AdminConfig::parse(std::vector<config::Property> properties,
                                       config::Property bootstrap) {
    std::erase_if(properties, [](const config::Property& one) {
        return one.key == "bootstrap.servers" || one.key == "bootstrap.controllers";
    });
    properties.push_back(std::move(bootstrap));
    return parse(properties);
}

Result<AdminConfig> AdminConfig::parse(const std::vector<config::Property>& properties) {
    ClientConfigParser parser(config::admin_catalogue(), "admin", properties);
    parser.call_it("adminclient-1");
    AdminConfig made(parser.take_values());
    made.cluster_ = parser.cluster_options(made);
    auto controllers = parser.addresses("bootstrap.controllers", made.bootstrap_controllers());
    parser.require(made.bootstrap_servers().empty() || controllers.empty(), "bootstrap.controllers",
                   "bootstrap.servers and bootstrap.controllers are both set: one of the two "
                   "says where to begin");
    parser.require(!made.bootstrap_servers().empty() || !made.bootstrap_controllers().empty(),
                   "bootstrap.servers",
                   "bootstrap.servers is not set: it takes HOST:PORT of some brokers, separated "
                   "by commas");
    if (!controllers.empty()) {
        made.cluster_.bootstrap = std::move(controllers);
        made.cluster_.controllers = true;
        made.cluster_.pool.kind = "controller";
    }
    made.cluster_.max_retries = made.retries();
    std::int32_t timeout = made.default_api_timeout_ms();
    parser.require(timeout >= made.request_timeout_ms() || !parser.is_set("default.api.timeout.ms"),
                   "default.api.timeout.ms",
                   fmt::format("default.api.timeout.ms={}: it cannot be less than "
                               "request.timeout.ms, {}",
                               timeout, made.request_timeout_ms()));
    made.api_timeout_ = Duration::milliseconds(std::max(timeout, made.request_timeout_ms()));
    RETURN_IF_ERROR(parser.verdict());
    made.warnings_ = parser.take_warnings();
    return made;
}

}  // namespace millrace::client
