#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/broker_config_parser.h"

namespace millrace::config {
namespace {

std::string ids_of(const std::vector<Voter>& voters) {
    std::vector<std::int32_t> ids;
    for (const Voter& voter : voters) ids.push_back(voter.id);
    return fmt::format("{}", fmt::join(ids, ", "));
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

bool names(const std::vector<Endpoint>& endpoints, std::string_view listener) {
    return std::ranges::find(endpoints, listener, &Endpoint::listener) != endpoints.end();
}

}  // namespace

void BrokerConfigParser::check_roles() {
    require(whole("node.id") == whole("broker.id"), "broker.id",
            fmt::format("{} and {} name one number: set only node.id", shown("broker.id"),
                        shown("node.id")));
    require(!parts_->voters.empty() || !parts_->bootstrap.empty(), "process.roles",
            "neither controller.quorum.bootstrap.servers nor controller.quorum.voters is set: one "
            "of them has to name the controllers");
    bool is_voter =
        std::ranges::find(parts_->voters, whole("node.id"), &Voter::id) != parts_->voters.end();
    if (parts_->is_controller) {
        require(parts_->voters.empty() || is_voter, "controller.quorum.voters",
                fmt::format("this node is a controller, but its {} is not among the voters {}",
                            shown("node.id"), ids_of(parts_->voters)));
        check_controller_role();
    } else {
        require(!is_voter, "controller.quorum.voters",
                fmt::format("{} is among the voters, but process.roles lacks 'controller'",
                            shown("node.id")));
        require(parts_->controller.empty(), "listeners",
                "a node that is no controller may not listen on a listener of "
                "controller.listener.names");
        require(!std::get<bool>(value("controller.quorum.auto.join.enable")),
                "controller.quorum.auto.join.enable",
                "controller.quorum.auto.join.enable is for controllers: set it to false or add "
                "'controller' to process.roles");
    }
    if (parts_->is_broker) check_broker_role();
}

void BrokerConfigParser::check_controller_role() {
    constexpr std::string_view key = "controller.listener.names";
    require(
        !parts_->advertised_controller.empty(), key,
        fmt::format("{}: none of these is in listeners, and a controller needs one", shown(key)));
    for (const std::string& name : words(key)) {
        require(names(parts_->controller, name), key,
                fmt::format("{}: '{}' is not in listeners", shown(key), name));
    }
    if (parts_->is_broker) return;
    require(parts_->broker.empty(), "listeners",
            fmt::format("{}: a node that is only a controller listens on nothing but {}",
                        shown("listeners"), shown(key)));
    if (is_set("inter.broker.listener.name")) {
        require(
            !contains(words(key), parts_->inter_broker_listener), key,
            fmt::format("{} holds inter.broker.listener.name, which is for brokers", shown(key)));
    }
}

void BrokerConfigParser::check_broker_role() {
    require(!parts_->advertised_broker.empty(), "listeners",
            "a broker needs an advertised listener that is not in controller.listener.names");
    require(names(parts_->advertised_broker, parts_->inter_broker_listener),
            "inter.broker.listener.name",
            fmt::format("brokers are to use listener '{}', which is not advertised: set "
                        "inter.broker.listener.name to one that is",
                        parts_->inter_broker_listener));
    for (const Endpoint& endpoint : parts_->advertised_broker) {
        require(names(parts_->broker, endpoint.listener), "advertised.listeners",
                fmt::format("advertised.listeners holds '{}', which is not in listeners",
                            endpoint.listener));
    }
    const auto& cordoned = words("cordoned.log.dirs");
    if (contains(cordoned, "*")) {
        require(cordoned.size() == 1, "cordoned.log.dirs",
                fmt::format("{}: * stands alone", shown("cordoned.log.dirs")));
        return;
    }
    for (const std::string& directory : cordoned) {
        require(contains(parts_->log_directories, directory), "cordoned.log.dirs",
                fmt::format("cordoned.log.dirs holds '{}', which is not in log.dirs", directory));
    }
}

void BrokerConfigParser::check_listeners() {
    for (const auto* advertised : {&parts_->advertised_broker, &parts_->advertised_controller}) {
        for (const Endpoint& endpoint : *advertised) {
            require(endpoint.host != "0.0.0.0", "advertised.listeners",
                    fmt::format("'{}' is advertised, but no client can connect to 0.0.0.0: set "
                                "advertised.listeners to an address of this machine",
                                to_string(endpoint)));
        }
    }
    if (!is_set("early.start.listeners")) return;
    for (const std::string& name : words("early.start.listeners")) {
        require(
            names(parts_->broker, upper_case(name)) || names(parts_->controller, upper_case(name)),
            "early.start.listeners",
            fmt::format("early.start.listeners holds '{}', which is not in listeners", name));
    }
}

void BrokerConfigParser::check_limits() {
    auto at_least = [&](std::string_view key, std::int64_t least, bool or_minus_one = false) {
        const auto* number = std::get_if<std::int64_t>(&value(key));
        if (number == nullptr) return;
        bool unlimited = or_minus_one && *number < 0;
        require(*number >= least || unlimited, key,
                fmt::format("{}: it takes {} or more{}", shown(key), least,
                            or_minus_one ? ", or -1 for no limit" : ""));
    };
    at_least("log.roll.ms", 1);
    at_least("log.roll.jitter.ms", 0);
    at_least("log.retention.ms", 1, true);
    at_least("log.retention.minutes", 1, true);
    at_least("log.retention.hours", 1, true);

    auto not_above = [&](std::string_view lower, std::string_view upper) {
        require(whole(lower) <= whole(upper), lower,
                fmt::format("{} is more than {}", shown(lower), shown(upper)));
    };
    not_above("replica.fetch.wait.max.ms", "replica.socket.timeout.ms");
    not_above("replica.fetch.wait.max.ms", "replica.lag.time.max.ms");
    not_above("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");

    std::int64_t cleaners = whole("log.cleaner.threads");
    require(cleaners == 0 || whole("log.cleaner.dedupe.buffer.size") / cleaners > 1024 * 1024,
            "log.cleaner.dedupe.buffer.size",
            fmt::format("{} is shared by {}: each needs more than 1048576 bytes",
                        shown("log.cleaner.dedupe.buffer.size"), shown("log.cleaner.threads")));
    std::int64_t queued = whole("queued.max.request.bytes");
    require(queued <= 0 || queued >= whole("socket.request.max.bytes"), "queued.max.request.bytes",
            fmt::format("{} is less than {}", shown("queued.max.request.bytes"),
                        shown("socket.request.max.bytes")));
    std::int64_t idle = whole("connections.max.idle.ms");
    require(idle < 0 || whole("connection.failed.authentication.delay.ms") < idle,
            "connection.failed.authentication.delay.ms",
            fmt::format("{} is not less than {}: a refused client would be cut off before its "
                        "answer",
                        shown("connection.failed.authentication.delay.ms"),
                        shown("connections.max.idle.ms")));
    require(whole("max.connections.per.ip") > 0 ||
                !std::get<std::string>(value("max.connections.per.ip.overrides")).empty(),
            "max.connections.per.ip",
            "max.connections.per.ip=0 lets nobody in: set max.connections.per.ip.overrides too");
    std::int64_t session = whole("broker.session.timeout.ms");
    if (whole("broker.heartbeat.interval.ms") * 2 > session) {
        parts_->warnings.push_back(
            fmt::format("{} is more than half of {}: one late heartbeat fences this broker",
                        shown("broker.heartbeat.interval.ms"), shown("broker.session.timeout.ms")));
    }
}

void BrokerConfigParser::check_groups() {
    auto within = [&](std::string_view key, std::string_view least, std::string_view most) {
        if (!least.empty()) {
            require(whole(least) <= whole(key), key,
                    fmt::format("{} is less than {}", shown(key), shown(least)));
        }
        if (!most.empty()) {
            require(whole(key) <= whole(most), key,
                    fmt::format("{} is more than {}", shown(key), shown(most)));
        }
    };
    for (const Definition& definition : group_catalogue().all()) {
        if (definition.suppliers.empty()) continue;
        within(definition.suppliers.front().broker_key, definition.broker_min,
               definition.broker_max);
    }
    for (std::string_view kind : {"consumer", "share", "streams"}) {
        std::string heartbeat = fmt::format("group.{}.heartbeat.interval.ms", kind);
        std::string session = fmt::format("group.{}.session.timeout.ms", kind);
        require(whole(heartbeat) < whole(session), heartbeat,
                fmt::format("{} is not less than {}", shown(heartbeat), shown(session)));
    }
    for (const std::string& assignor : words("group.consumer.assignors")) {
        constexpr std::string_view package = "org.apache.kafka.coordinator.group.assignor.";
        std::string_view name = assignor;
        bool known = name == "uniform" || name == "range";
        if (name.starts_with(package)) {
            name.remove_prefix(package.size());
            known = name == "UniformAssignor" || name == "RangeAssignor";
        }
        require(known, "group.consumer.assignors",
                fmt::format("{}: '{}' is unknown; there are uniform and range",
                            shown("group.consumer.assignors"), assignor));
    }
    within("group.share.max.size", "", "group.share.max.share.sessions");
    require(words("group.share.assignors").size() == 1, "group.share.assignors",
            fmt::format("{}: exactly one assignor is allowed", shown("group.share.assignors")));
    require(contains(words("group.coordinator.rebalance.protocols"), "classic"),
            "group.coordinator.rebalance.protocols",
            "group.coordinator.rebalance.protocols lacks 'classic', which cannot be switched off");
}

}  // namespace millrace::config
