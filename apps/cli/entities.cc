#include "cli/entities.h"

#include <algorithm>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

struct EntityFlag {
    std::string_view flag;
    std::string_view type;
};
constexpr EntityFlag named[] = {
    {"topic", "topics"},
    {"client", "clients"},
    {"user", "users"},
    {"broker", "brokers"},
    {"broker-logger", "broker-loggers"},
    {"ip", "ips"},
    {"client-metrics", "client-metrics"},
    {"group", "groups"},
};
constexpr EntityFlag defaults[] = {
    {"client-defaults", "clients"},
    {"user-defaults", "users"},
    {"broker-defaults", "brokers"},
    {"ip-defaults", "ips"},
};

Entities collect(const Arguments& arguments, bool& special) {
    Entities entities;
    for (const Arguments::Given& given : arguments.in_order()) {
        if (given.flag->name == "entity-type") entities.types.push_back(given.value);
        if (given.flag->name == "entity-name") entities.names.push_back(given.value);
        if (given.flag->name == "entity-default") entities.names.emplace_back();
    }
    for (const EntityFlag& one : named) {
        if (!arguments.has(one.flag)) continue;
        special = true;
        entities.types.emplace_back(one.type);
        entities.names.emplace_back(arguments.text(one.flag));
    }
    for (const EntityFlag& one : defaults) {
        if (!arguments.has(one.flag)) continue;
        special = true;
        entities.types.emplace_back(one.type);
        entities.names.emplace_back();
    }
    return entities;
}

bool may_have_defaults(const Entities& entities) {
    return entities.is_of("users") || entities.is_of("clients") || entities.is_of("brokers") ||
           entities.is_of("ips");
}

Result<> check_types(const Entities& entities) {
    if (entities.types.empty()) return misuse("name what it is about: --entity-type is missing");
    for (std::size_t i = 0; i < entities.types.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (entities.types[i] == entities.types[j]) {
                return misuse(fmt::format("the entity type {} is given twice", entities.types[i]));
            }
        }
    }
    bool pair = entities.types.size() == 2 && entities.is_of("users") && entities.is_of("clients");
    if (entities.types.size() > 1 && !pair) {
        return misuse("only the entity types users and clients may be given together");
    }
    return {};
}

Result<> check_names(const Arguments& arguments, const Entities& entities) {
    bool has_name = std::ranges::any_of(entities.names, [](auto& name) { return !name.empty(); });
    bool has_default = std::ranges::any_of(entities.names, &std::string::empty);
    if (entities.names.size() > entities.types.size()) {
        return misuse("more entity names than entity types are given");
    }
    if (entities.is_of("brokers") || entities.is_of("broker-loggers")) {
        for (const std::string& name : entities.names) {
            if (name.empty() || parse_int32(name)) continue;
            return misuse(
                fmt::format("the entity name for {} has to be a broker's id, and '{}' is "
                            "none",
                            entities.type(), name));
        }
    }
    if (arguments.has("describe")) {
        if (arguments.has("entity-default") && !may_have_defaults(entities)) {
            return misuse(fmt::format("{} have no defaults to describe: leave --entity-default out",
                                      entities.type()));
        }
        if (entities.is_of("broker-loggers") && !has_name) {
            return misuse("name the broker whose loggers shall be described");
        }
        return {};
    }
    if (may_have_defaults(entities) ? !has_name && !has_default : !has_name) {
        return misuse(fmt::format("name which of the {} shall be altered", entities.type()));
    }
    if (entities.names.size() != entities.types.size()) {
        return misuse("an entity name has to be given for every entity type");
    }
    return {};
}

}  // namespace

bool Entities::is_of(std::string_view type) const {
    return std::ranges::find(types, type) != types.end();
}

Result<Entities> read_entities(const Arguments& arguments) {
    bool special = false;
    Entities entities = collect(arguments, special);
    bool general = arguments.has("entity-type") || arguments.has("entity-name") ||
                   arguments.has("entity-default");
    if (special && general) {
        return misuse(
            "--entity-type, --entity-name and --entity-default cannot be used together "
            "with flags like --topic, which say the same");
    }
    RETURN_IF_ERROR(check_types(entities));
    RETURN_IF_ERROR(check_names(arguments, entities));
    return entities;
}

Result<std::vector<config::Property>> parse_added_configs(std::string_view text) {
    std::vector<config::Property> configs;
    bool more = !text.empty();
    while (more) {
        std::size_t end = 0;
        for (bool bracketed = false; end < text.size(); ++end) {
            if (text[end] == '[') bracketed = true;
            if (text[end] == ']') bracketed = false;
            if (text[end] == ',' && !bracketed) break;
        }
        std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(text.size(), end + 1));
        more = !text.empty();  // what ends with a comma has nothing behind it
        std::size_t equals = pair.find('=');
        bool several = equals != std::string_view::npos &&
                       pair.substr(equals + 1).find('=') != std::string_view::npos &&
                       pair.find('[') == std::string_view::npos;
        if (equals == std::string_view::npos || several) {
            return misuse(
                fmt::format("'{}' in --add-config is not KEY=VALUE; values with commas "
                            "or '=' stand in brackets: KEY=[A,B]",
                            pair));
        }
        std::string value(config::trim(pair.substr(equals + 1)));
        std::erase_if(value, [](char c) { return c == '[' || c == ']'; });
        configs.push_back(
            {std::string(config::trim(pair.substr(0, equals))), std::string(config::trim(value))});
    }
    RETURN_IF_ERROR(check_config_keys(configs));
    return configs;
}

Result<> check_config_keys(const std::vector<config::Property>& configs) {
    constexpr std::string_view allowed =
        "$._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const config::Property& one : configs) {
        if (one.key.find_first_not_of(allowed) == std::string::npos) continue;
        return misuse(fmt::format("'{}' holds characters that no config's key has", one.key));
    }
    return {};
}

}  // namespace millrace::cli
