#include "config/alter.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include "config/broker_config.h"

namespace millrace::config {
namespace {

constexpr std::string_view listener_prefix = "listener.name.";

// Dynamic with their listener's prefix only: another listener's keys must not change with them.
constexpr std::string_view per_listener_keys[] = {
    "ssl.keystore.type",          "ssl.keystore.location",          "ssl.keystore.password",
    "ssl.key.password",           "ssl.keystore.certificate.chain", "ssl.keystore.key",
    "ssl.truststore.type",        "ssl.truststore.location",        "ssl.truststore.password",
    "ssl.truststore.certificates"};
// Dynamic for all nodes even with a listener's prefix.
constexpr std::string_view shared_listener_keys[] = {
    "max.connections", "max.connection.creation.rate", "num.network.threads"};
// Keys that stand behind a SASL mechanism: listener.name.NAME.MECHANISM.KEY.
constexpr std::string_view mechanism_keys[] = {
    "sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class",
    "sasl.server.callback.handler.class", "connections.max.reauth.ms"};

template <std::size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
    return std::ranges::find(names, name) != std::end(names);
}

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
    return fail(ErrorCode::invalid_config, fmt::format("{}: {}", name, why));
}

std::vector<std::string> unique_words(std::string_view text) {
    std::vector<std::string> words = split_list(text);
    std::erase(words, "");
    return words;
}

}  // namespace

const Catalogue* catalogue_of(ResourceType type) {
    switch (type) {
        case ResourceType::topic:
            return &topic_catalogue();
        case ResourceType::broker:
            return &broker_catalogue();
        case ResourceType::client_metrics:
            return &client_metrics_catalogue();
        case ResourceType::group:
            return &group_catalogue();
        default:
            return nullptr;
    }
}

std::string_view base_name(std::string_view name) {
    if (!name.starts_with(listener_prefix)) return name;
    std::size_t dot = name.find('.', listener_prefix.size());
    if (dot == std::string_view::npos) return name;
    std::string_view base = name.substr(dot + 1);
    for (std::string_view key : mechanism_keys) {
        if (base.ends_with(key)) return key;
    }
    return base;
}

Result<std::optional<std::string>> alter(ResourceType type, std::string_view name, AlterOp op,
                                         std::optional<std::string_view> current,
                                         std::optional<std::string_view> operand) {
    if (op == AlterOp::remove) return std::optional<std::string>();
    if (!operand) return refuse(name, "a value is needed");
    if (op == AlterOp::set) return std::optional<std::string>(*operand);

    const Catalogue* catalogue = catalogue_of(type);
    const Definition* definition = catalogue == nullptr ? nullptr : catalogue->find(name);
    if (definition == nullptr || definition->type != Type::list) {
        return refuse(name, "only lists can be appended to and subtracted from");
    }
    std::vector<std::string> words =
        unique_words(current ? *current : definition->default_text.value_or(""));
    for (std::string& word : unique_words(*operand)) {
        auto at = std::ranges::find(words, word);
        if (op == AlterOp::subtract && at != words.end()) words.erase(at);
        if (op == AlterOp::append && at == words.end()) words.push_back(std::move(word));
    }
    return std::optional<std::string>(fmt::format("{}", fmt::join(words, ",")));
}

Result<> check_dynamic(std::string_view name, std::string_view text, bool all_nodes) {
    std::string_view base = base_name(name);
    bool prefixed = base != name;
    const Definition* definition = broker_catalogue().find(base);
    // Plugins have keys that nothing declares.
    if (definition == nullptr) return {};
    bool read_only = definition->mode == UpdateMode::read_only;
    if (read_only && !prefixed) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("Cannot update these configs dynamically: [{}]", name));
    }
    if (!prefixed && contains(per_listener_keys, base)) {
        return refuse(name, fmt::format("it is dynamic for one listener only: "
                                        "listener.name.NAME.{}",
                                        base));
    }
    bool per_broker = prefixed ? !contains(shared_listener_keys, base)
                               : definition->mode == UpdateMode::per_broker;
    if (all_nodes && per_broker) {
        return refuse(name, "it is set for one broker, by its id, not for all");
    }
    // With a prefix such a key means nothing, and is let be.
    if (read_only) return {};
    auto value = parse_value(*definition, text);
    if (value) return {};
    return prefixed ? Result<>(refuse(name, value.error().message)) : fail(value.error());
}

namespace {

// Kafka lets a node change in steps only.
Result<> check_cleaner_threads(std::int32_t now, std::int32_t next) {
    auto refused = [](std::string message) {
        return fail(ErrorCode::invalid_config, std::move(message));
    };
    if (next == now) return {};
    if (next < 1) return refused("Log cleaner threads should be at least 1");
    if (next < now / 2) {
        return refused(fmt::format(
            "Log cleaner threads cannot be reduced to less than half the current value {}", now));
    }
    if (next <= std::int64_t{2} * now) return {};
    return refused(fmt::format(
        "Log cleaner threads cannot be increased to more than double the current value {}", now));
}

Result<> check_pool(std::string_view name, std::int32_t now, std::int32_t next) {
    auto refused = [&](std::string why) {
        return fail(
            ErrorCode::invalid_config,
            fmt::format("Dynamic thread count update validation failed for {}={}, value should {}",
                        name, next, why));
    };
    if (next < now / 2) {
        return refused(fmt::format("be at least half the current value {}", now));
    }
    if (next <= std::int64_t{2} * now) return {};
    return refused(fmt::format("not be greater than double the current value {}", now));
}

}  // namespace

Result<BrokerConfig> validate_broker_configs(const BrokerConfig& broker, const ConfigMap& dynamic,
                                             bool all_nodes) {
    for (const auto& [name, text] : dynamic) RETURN_IF_ERROR(check_dynamic(name, text, all_nodes));
    std::vector<std::string> rejected;
    BrokerConfig next =
        broker.with_dynamic(all_nodes ? dynamic : broker.all_nodes_values(),
                            all_nodes ? broker.this_node_values() : dynamic, rejected);
    if (!rejected.empty()) {
        return fail(ErrorCode::invalid_config, fmt::format("{}", fmt::join(rejected, "\n")));
    }
    RETURN_IF_ERROR(check_pool("num.io.threads", broker.num_io_threads(), next.num_io_threads()));
    RETURN_IF_ERROR(check_pool("num.replica.fetchers", broker.num_replica_fetchers(),
                               next.num_replica_fetchers()));
    RETURN_IF_ERROR(check_pool("num.recovery.threads.per.data.dir",
                               broker.num_recovery_threads_per_data_dir(),
                               next.num_recovery_threads_per_data_dir()));
    RETURN_IF_ERROR(
        check_pool("background.threads", broker.background_threads(), next.background_threads()));
    RETURN_IF_ERROR(
        check_cleaner_threads(broker.log_cleaner_threads(), next.log_cleaner_threads()));
    return next;
}

}  // namespace millrace::config
