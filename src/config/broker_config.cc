#include "config/broker_config.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "config/alter.h"
#include "config/broker_config_parser.h"
#include "config/ignored_broker_keys.h"

namespace millrace::config {
namespace {

// Keys of plugins that come with Kafka; no declaration names them, as plugins may have any.
constexpr std::string_view plugin_keys[] = {"super.users", "allow.everyone.if.no.acl.found"};
constexpr std::string_view plugin_prefixes[] = {"rsm.config.", "rlmm.config.", "config.providers.",
                                                "metrics.jmx.", "remote.log.metadata."};

// And keys that name the prefix of their plugin's.
constexpr std::string_view prefix_keys[] = {"remote.log.storage.manager.impl.prefix",
                                            "remote.log.metadata.manager.impl.prefix"};

bool belongs_to_plugin(std::string_view key, const ConfigMap& texts) {
    auto is_prefix = [&](std::string_view prefix) {
        return !prefix.empty() && key.starts_with(prefix);
    };
    return std::ranges::find(plugin_keys, key) != std::end(plugin_keys) ||
           std::ranges::any_of(plugin_prefixes, is_prefix) ||
           std::ranges::any_of(prefix_keys, [&](std::string_view name) {
               auto at = texts.find(name);
               return at != texts.end() && is_prefix(at->second);
           });
}

// What stands for a value that is missing or wrong, so that each has its type; with an error noted,
// nobody sees it.
Value fallback(const Definition& definition) {
    if (!definition.required) return default_value(definition);
    if (definition.type == Type::list) return std::vector<std::string>();
    return std::int64_t{-1};
}

}  // namespace

void BrokerConfigParser::set_text(const Property& property, bool from_file) {
    auto [at, is_new] = parts_->file.insert_or_assign(property.key, property.value);
    if (from_file && !is_new) {
        parts_->warnings.push_back(fmt::format("line {}: {} is set again, line {} does not count",
                                               property.line, property.key, lines_[property.key]));
    }
    lines_[property.key] = property.line;
}

void BrokerConfigParser::read(const Properties& file, const std::vector<Property>& overrides) {
    for (const Property& property : file.all()) set_text(property, true);
    for (const Property& property : overrides) set_text(property, false);
    // Two names of one number: whoever sets one has set both.
    ConfigMap& texts = parts_->file;
    for (auto [from, to] : {std::pair{"broker.id", "node.id"}, {"node.id", "broker.id"}}) {
        if (auto at = texts.find(from); at != texts.end()) texts.emplace(to, at->second);
    }
    texts_ = texts;
    warn_of_unknown_keys();
    warn_of_ignored_keys();
    for (const Definition& definition : broker_catalogue().all()) {
        if (definition.dynamic_only && texts_.erase(std::string(definition.name)) > 0) {
            parts_->warnings.push_back(
                fmt::format("{}{} counts only when it is set dynamically (kafka-configs)",
                            place(definition.name), definition.name));
        }
    }
}

void BrokerConfigParser::read(const BrokerConfig& base, const ConfigMap& all_nodes,
                              const ConfigMap& this_node) {
    parts_->file = base.file_values();
    parts_->all_nodes = all_nodes;
    parts_->this_node = this_node;
    parts_->warnings = base.warnings();
    for (const auto& [key, text] : base.file_values()) {
        const Definition* definition = broker_catalogue().find(key);
        if (definition == nullptr || !definition->dynamic_only) texts_.emplace(key, text);
    }
    for (const ConfigMap* layer : {&all_nodes, &this_node}) {
        for (const auto& [key, text] : *layer) {
            // One name of a setting takes the place of its other names below.
            if (const Definition* definition = broker_catalogue().find(key)) {
                for (std::string_view name : definition->synonyms) {
                    if (auto at = texts_.find(name); at != texts_.end()) texts_.erase(at);
                }
            }
            texts_[key] = text;
        }
    }
}

void BrokerConfigParser::warn_of_unknown_keys() {
    for (const auto& [key, text] : texts_) {
        std::string_view base = base_name(key);
        if (broker_catalogue().find(base) != nullptr || belongs_to_plugin(base, texts_)) continue;
        parts_->warnings.push_back(fmt::format("{}no config is named '{}'{}", place(key), key,
                                               suggestion(broker_catalogue(), base)));
    }
}

void BrokerConfigParser::warn_of_ignored_keys() {
    for (const IgnoredBrokerKey& ignored : ignored_broker_keys()) {
        if (ignored.how != IgnoredBrokerKey::How::told) continue;
        auto text = texts_.find(ignored.name);
        if (text == texts_.end() || text->second.empty() ||
            text->second == broker_catalogue().find(ignored.name)->default_text)
            continue;
        parts_->warnings.push_back(
            fmt::format("{}{} has no effect: {}", place(ignored.name), ignored.name, ignored.why));
    }
}

void BrokerConfigParser::parse_values() {
    values_.clear();
    for (const Definition& definition : broker_catalogue().all()) {
        auto text = texts_.find(definition.name);
        if (text == texts_.end()) {
            values_.push_back(fallback(definition));
            require(!definition.required, definition.name,
                    fmt::format("{} is not set, and there is no default: it takes {}",
                                definition.name, allowed(definition)));
        } else if (auto parsed = parse_value(definition, text->second)) {
            values_.push_back(*std::move(parsed));
        } else {
            values_.push_back(fallback(definition));
            wrong(definition.name, parsed.error().message);
        }
    }
    for (const auto& [key, text] : texts_) {
        const Definition* definition = broker_catalogue().find(base_name(key));
        if (definition == nullptr || definition->name == key) continue;
        if (auto parsed = parse_value(*definition, text); !parsed) {
            wrong(key, fmt::format("{}: {}", key, parsed.error().message));
        }
    }
}

ProtocolMap BrokerConfigParser::protocol_map() {
    constexpr std::string_view key = "listener.security.protocol.map";
    auto* text = std::get_if<std::string>(&value(key));
    ProtocolMap map = take(key, parse_protocol_map(*text));
    if (is_set(key)) return map;
    // Without a map of the user's, controller listeners of any name in upper case speak PLAINTEXT,
    // unless some listener asks for more by its name.
    auto is_secure = [](std::string_view name) {
        return name == "SSL" || name == "SASL_SSL" || name == "SASL_PLAINTEXT";
    };
    const auto& controllers = words("controller.listener.names");
    if (std::ranges::any_of(controllers, is_secure)) return map;
    for (const std::string& word : words("listeners")) {
        if (is_secure(upper_case(std::string_view(word).substr(0, word.find(':'))))) return map;
    }
    for (const std::string& name : controllers) {
        map.emplace(name, SecurityProtocol::plaintext);
    }
    return map;
}

void BrokerConfigParser::derive_listeners() {
    for (const std::string& role : words("process.roles")) {
        if (role == "broker") parts_->is_broker = true;
        if (role == "controller") parts_->is_controller = true;
    }
    ProtocolMap protocols = protocol_map();
    const auto& names = words("controller.listener.names");
    auto is_controllers = [&](const Endpoint& endpoint) {
        return std::ranges::find(names, endpoint.listener) != names.end();
    };
    for (Endpoint& endpoint :
         take("listeners", parse_endpoints(words("listeners"), protocols, true))) {
        auto& side = is_controllers(endpoint) ? parts_->controller : parts_->broker;
        side.push_back(std::move(endpoint));
    }
    if (!names.empty()) {
        parts_->controller_listener = upper_case(names.front());
        auto protocol = protocols.find(parts_->controller_listener);
        if (protocol != protocols.end()) {
            parts_->controller_protocol = protocol->second;
        } else {
            wrong("controller.listener.names",
                  fmt::format("controller listener '{}' has no protocol: name it in "
                              "listener.security.protocol.map",
                              names.front()));
        }
    }
    derive_advertised(protocols);
    derive_inter_broker(protocols);
}

void BrokerConfigParser::derive_advertised(const ProtocolMap& protocols) {
    const auto& names = words("controller.listener.names");
    std::vector<Endpoint> advertised;
    if (is_set("advertised.listeners")) {
        advertised = take("advertised.listeners",
                          parse_endpoints(words("advertised.listeners"), protocols, false));
    }
    auto named = [](const std::vector<Endpoint>& from, std::string_view name) {
        return std::ranges::find(from, upper_case(name), &Endpoint::listener);
    };
    parts_->advertised_broker = is_set("advertised.listeners") ? advertised : parts_->broker;
    std::erase_if(parts_->advertised_broker, [&](const Endpoint& endpoint) {
        return std::ranges::find(names, endpoint.listener) != names.end();
    });
    for (const std::string& name : names) {
        if (auto at = named(advertised, name); at != advertised.end()) {
            parts_->advertised_controller.push_back(*at);
            continue;
        }
        auto at = named(parts_->controller, name);
        if (at == parts_->controller.end()) continue;
        Endpoint endpoint = *at;
        if (endpoint.host == "0.0.0.0") endpoint.host.clear();
        // The quorum knows this node by an address already: better than the machine's name.
        auto self = std::ranges::find(parts_->voters, whole("node.id"), &Voter::id);
        if (&name == &names.front() && endpoint.host.empty() && self != parts_->voters.end()) {
            endpoint.host = self->address.host;
            endpoint.port = self->address.port;
        }
        parts_->advertised_controller.push_back(std::move(endpoint));
    }
}

void BrokerConfigParser::derive_inter_broker(const ProtocolMap& protocols) {
    constexpr std::string_view key = "inter.broker.listener.name";
    if (const auto* name = std::get_if<std::string>(&value(key))) {
        require(!is_set("security.inter.broker.protocol"), key,
                "only one of inter.broker.listener.name and security.inter.broker.protocol may be "
                "set");
        parts_->inter_broker_listener = upper_case(*name);
        auto protocol = protocols.find(parts_->inter_broker_listener);
        if (protocol == protocols.end()) {
            wrong(key, fmt::format("{}: listener.security.protocol.map names no such listener",
                                   shown(key)));
        } else {
            parts_->inter_broker_protocol = protocol->second;
        }
        return;
    }
    const auto* name = std::get_if<std::string>(&value("security.inter.broker.protocol"));
    parts_->inter_broker_listener = *name;
    parts_->inter_broker_protocol =
        take("security.inter.broker.protocol", parse_security_protocol(*name));
}

void BrokerConfigParser::derive_quorum() {
    for (const std::string& word : words("controller.quorum.voters")) {
        if (auto voter = parse_voter(word)) parts_->voters.push_back(*std::move(voter));
    }
    for (const std::string& word : words("controller.quorum.bootstrap.servers")) {
        if (auto address = parse_host_port(word)) parts_->bootstrap.push_back(*std::move(address));
    }
    for (const std::string& word : words("metrics.listeners")) {
        parts_->metrics.push_back(take("metrics.listeners", parse_host_port(word, true)));
    }
}

void BrokerConfigParser::derive_directories() {
    const auto& many = words("log.dirs");
    parts_->log_directories = many.empty() ? words("log.dir") : many;
    require(!parts_->log_directories.empty(), "log.dirs",
            "log.dirs and log.dir are empty: a node needs a directory for its data");
    const auto* metadata = std::get_if<std::string>(&value("metadata.log.dir"));
    if (metadata != nullptr) {
        parts_->metadata_directory = *metadata;
    } else if (!parts_->log_directories.empty()) {
        parts_->metadata_directory = parts_->log_directories.front();
    }
}

Result<BrokerConfig> BrokerConfigParser::finish() {
    parse_values();
    if (errors_.empty()) {
        derive_quorum();
        derive_listeners();
        derive_directories();
    }
    if (errors_.empty()) {
        check_roles();
        check_listeners();
        check_limits();
        check_groups();
    }
    if (!errors_.empty()) {
        return fail(ErrorCode::invalid_config, fmt::format("{}", fmt::join(errors_, "\n")));
    }
    return BrokerConfig(std::move(values_), parts_);
}

const Value& BrokerConfigParser::value(std::string_view key) const {
    const Definition* definition = broker_catalogue().find(key);
    CHECK(definition != nullptr);
    return values_[broker_catalogue().index_of(*definition)];
}

std::int64_t BrokerConfigParser::whole(std::string_view key) const {
    const auto* number = std::get_if<std::int64_t>(&value(key));
    CHECK(number != nullptr);
    return *number;
}

const std::vector<std::string>& BrokerConfigParser::words(std::string_view key) const {
    static const std::vector<std::string> none;
    const auto* list = std::get_if<std::vector<std::string>>(&value(key));
    return list == nullptr ? none : *list;
}

std::string BrokerConfigParser::shown(std::string_view key) const {
    return fmt::format("{}={}", key, to_text(value(key)).value_or("null"));
}

std::string BrokerConfigParser::place(std::string_view key) const {
    auto at = lines_.find(key);
    return at == lines_.end() || at->second == 0 ? "" : fmt::format("line {}: ", at->second);
}

void BrokerConfigParser::wrong(std::string_view key, std::string_view sentence) {
    errors_.push_back(fmt::format("{}{}", place(key), sentence));
}

Result<BrokerConfig> BrokerConfig::parse(const Properties& file,
                                         const std::vector<Property>& overrides) {
    BrokerConfigParser parser;
    parser.read(file, overrides);
    return parser.finish();
}

BrokerConfig BrokerConfig::with_dynamic(const ConfigMap& all_nodes, const ConfigMap& this_node,
                                        std::vector<std::string>& rejected) const {
    auto keep_valid = [&](const ConfigMap& from, bool for_all_nodes) {
        ConfigMap kept;
        for (const auto& [key, text] : from) {
            if (auto valid = check_dynamic(key, text, for_all_nodes); !valid) {
                rejected.push_back(valid.error().message);
            } else {
                kept.emplace(key, text);
            }
        }
        return kept;
    };
    ConfigMap all = keep_valid(all_nodes, true);
    ConfigMap own = keep_valid(this_node, false);
    BrokerConfigParser parser;
    parser.read(*this, all, own);
    if (auto made = parser.finish()) {
        return *std::move(made);
    } else {
        rejected.push_back(made.error().message);
    }
    // Together they do not fit: the node goes on with what it was started with.
    BrokerConfigParser plain;
    plain.read(*this, {}, {});
    auto made = plain.finish();
    CHECK(made.has_value());
    return *std::move(made);
}

std::optional<std::string_view> BrokerConfig::listener_text(std::string_view listener,
                                                            std::string_view key) const {
    std::string prefixed = fmt::format("listener.name.{}.{}", lower_case(listener), key);
    for (std::string_view name : {std::string_view(prefixed), key}) {
        for (const ConfigMap* layer : {&parts_->this_node, &parts_->all_nodes, &parts_->file}) {
            if (auto at = layer->find(name); at != layer->end()) return at->second;
        }
    }
    return std::nullopt;
}

}  // namespace millrace::config
