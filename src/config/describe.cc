#include "config/describe.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>

#include "base/log.h"
#include "config/alter.h"
#include "config/broker_config.h"
#include "config/group_config.h"
#include "config/supplied.h"
#include "config/text.h"
#include "config/topic_config.h"

namespace millrace::config {
namespace {

// The names under which a broker's key may be set, the strongest first.
std::vector<std::string_view> names_of(std::string_view key) {
    const Definition* definition = broker_catalogue().find(key);
    if (definition != nullptr && !definition->synonyms.empty()) {
        return {definition->synonyms.begin(), definition->synonyms.end()};
    }
    std::string_view base = base_name(key);
    if (base != key) return {key, base};
    return {key};
}

// Where a broker's key is set, by layer. What stands before the first mention of the key itself is
// left out: it belongs to a stronger name and is told there.
std::vector<Synonym> broker_synonyms(const BrokerConfig& broker, std::string_view key,
                                     bool sensitive) {
    std::vector<Synonym> out;
    std::vector<std::string_view> names = names_of(key);
    auto add = [&](std::string_view name, std::optional<std::string> value, Source source) {
        if (sensitive) value.reset();
        out.push_back({std::string(name), std::move(value), source});
    };
    const std::array<std::pair<const ConfigMap*, Source>, 3> layers = {{
        {&broker.this_node_values(), Source::dynamic_broker},
        {&broker.all_nodes_values(), Source::dynamic_default_broker},
        {&broker.file_values(), Source::static_broker},
    }};
    for (const auto& [layer, source] : layers) {
        for (std::string_view name : names) {
            if (auto at = layer->find(name); at != layer->end()) add(name, at->second, source);
        }
    }
    for (std::string_view name : names) {
        const Definition* definition = broker_catalogue().find(name);
        if (definition == nullptr || !definition->default_text || definition->dynamic_only)
            continue;
        add(name, to_text(default_value(*definition)), Source::default_value);
    }
    out.erase(out.begin(), std::ranges::find(out, key, &Synonym::name));
    return out;
}

Described describe(const Definition& definition, std::optional<std::string> value) {
    Described out;
    out.name = definition.name;
    out.sensitive = definition.sensitive();
    if (!out.sensitive) out.value = std::move(value);
    out.type = definition.type;
    out.documentation = definition.documentation;
    return out;
}

void set_synonyms(Described& described, std::vector<Synonym> synonyms) {
    described.source = synonyms.empty() ? Source::default_value : synonyms.front().source;
    described.synonyms = std::move(synonyms);
}

// A key that nothing declares: a plugin's, or one with a listener's prefix.
Described describe_undeclared(const BrokerConfig& broker, const std::string& key,
                              const std::string& text) {
    const Definition* base = broker_catalogue().find(base_name(key));
    Described out;
    out.name = key;
    out.type = base == nullptr ? Type::unknown : base->type;
    out.sensitive = base == nullptr || base->sensitive();
    if (!out.sensitive) out.value = text;
    if (base != nullptr) out.documentation = base->documentation;
    out.read_only = true;
    set_synonyms(out, broker_synonyms(broker, key, out.sensitive));
    return out;
}

std::vector<Described> describe_supplied(const Catalogue& catalogue, const Settings& settings,
                                         const BrokerConfig& broker, const ConfigMap& own,
                                         Source own_source) {
    std::vector<Described> out;
    for (const Definition& definition : catalogue.all()) {
        if (definition.internal) continue;
        Described described = describe(definition, to_text(settings.at(definition)));
        std::vector<Synonym> synonyms;
        if (own.contains(definition.name)) {
            synonyms.push_back({described.name, described.value, own_source});
        }
        if (!definition.suppliers.empty()) {
            auto of_broker = broker_synonyms(broker, definition.suppliers.front().broker_key,
                                             described.sensitive);
            synonyms.insert(synonyms.end(), of_broker.begin(), of_broker.end());
        } else if (own_source == Source::group && definition.default_text) {
            synonyms.push_back(
                {described.name, to_text(default_value(definition)), Source::default_value});
        }
        set_synonyms(described, std::move(synonyms));
        out.push_back(std::move(described));
    }
    return out;
}

Result<std::string> log_level(std::string_view level) {
    std::string lower = lower_case(level);
    if (lower == "fatal") lower = "error";
    for (std::string_view known : {"trace", "debug", "info", "warn", "error"}) {
        if (lower == known) return lower;
    }
    return fail(
        ErrorCode::invalid_config,
        fmt::format("'{}' is no log level: use TRACE, DEBUG, INFO, WARN, ERROR or FATAL", level));
}

}  // namespace

std::vector<Described> describe_broker(const BrokerConfig& broker) {
    std::vector<Described> out;
    ConfigMap undeclared;
    for (const ConfigMap* layer :
         {&broker.this_node_values(), &broker.all_nodes_values(), &broker.file_values()}) {
        for (const auto& [key, text] : *layer) undeclared.emplace(key, text);
    }
    for (const Definition& definition : broker_catalogue().all()) {
        auto set = undeclared.find(definition.name);
        bool is_set = set != undeclared.end();
        if (is_set) undeclared.erase(set);
        if ((definition.internal || definition.dynamic_only) && !is_set) continue;
        Described described = describe(definition, to_text(broker.at(definition)));
        described.read_only = definition.mode == UpdateMode::read_only;
        set_synonyms(described, broker_synonyms(broker, definition.name, described.sensitive));
        out.push_back(std::move(described));
    }
    for (const auto& [key, text] : undeclared) {
        out.push_back(describe_undeclared(broker, key, text));
    }
    std::ranges::sort(out, {}, &Described::name);
    return out;
}

std::vector<Described> describe_all_nodes(const BrokerConfig& broker) {
    std::vector<Described> out;
    for (const auto& [key, text] : broker.all_nodes_values()) {
        const Definition* definition = broker_catalogue().find(key);
        Described described = definition == nullptr ? describe_undeclared(broker, key, text)
                                                    : describe(*definition, text);
        described.read_only = definition == nullptr || definition->mode == UpdateMode::read_only;
        std::vector<Synonym> synonyms = broker_synonyms(broker, key, described.sensitive);
        std::erase_if(synonyms,
                      [](const Synonym& s) { return s.source != Source::dynamic_default_broker; });
        set_synonyms(described, std::move(synonyms));
        out.push_back(std::move(described));
    }
    return out;
}

std::vector<Described> describe_topic(const BrokerConfig& broker, const ConfigMap& own) {
    return describe_supplied(topic_catalogue(), TopicConfig::effective(broker, own), broker, own,
                             Source::topic);
}

std::vector<Described> describe_group(const BrokerConfig& broker, const ConfigMap& own) {
    // As it is set, not as it is kept within the broker's bounds.
    return describe_supplied(group_catalogue(),
                             GroupSettings(supplied_values(group_catalogue(), broker, own)), broker,
                             own, Source::group);
}

std::vector<Described> describe_client_metrics(const ConfigMap& own) {
    ClientMetricsConfig settings = ClientMetricsConfig::effective(own);
    std::vector<Described> out;
    for (const Definition& definition : client_metrics_catalogue().all()) {
        Described described = describe(definition, to_text(settings.at(definition)));
        if (own.contains(definition.name)) {
            set_synonyms(described, {{described.name, described.value, Source::client_metrics}});
        }
        out.push_back(std::move(described));
    }
    return out;
}

std::vector<Described> describe_loggers() {
    std::set<std::pair<std::string, std::string>> areas;
    log::Level lowest = log::Level::error;
    for (const auto& [name, level] : log::areas()) {
        areas.emplace(name, log::to_string(level));
        lowest = std::min(lowest, level);
    }
    areas.emplace("root", log::to_string(areas.empty() ? log::Level::info : lowest));
    std::vector<Described> out;
    for (const auto& [name, level] : areas) {
        Described described;
        described.name = name;
        described.value = level;
        described.source = Source::broker_logger;
        out.push_back(std::move(described));
    }
    return out;
}

Result<> check_logger(std::string_view logger, std::string_view level) {
    RETURN_IF_ERROR(log_level(level));
    if (logger == "root") return {};
    for (const auto& [name, current] : log::areas()) {
        if (name == logger) return {};
    }
    return fail(ErrorCode::invalid_config, fmt::format("there is no logger '{}'", logger));
}

Result<> set_logger(std::string_view logger, std::string_view level) {
    RETURN_IF_ERROR(check_logger(logger, level));
    ASSIGN_OR_RETURN(std::string lower, log_level(level));
    return log::set_level(logger == "root" ? "*" : logger, lower);
}

}  // namespace millrace::config
