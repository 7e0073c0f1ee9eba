#include "client/client_config_parser.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/endpoints.h"
#include "config/ignored_client_keys.h"
#include "config/text.h"

namespace millrace::client {
namespace {

// What stands for a required value that is missing; with an error noted, nobody sees it.
config::Value fallback(const config::Definition& definition) {
    if (definition.required) return std::vector<std::string>();
    return config::default_value(definition);
}

std::string place_of(const config::Property& property) {
    return property.line == 0 ? "" : fmt::format("line {}: ", property.line);
}

}  // namespace

ClientConfigParser::ClientConfigParser(const config::Catalogue& catalogue, std::string_view kind,
                                       const std::vector<config::Property>& properties)
    : catalogue_(catalogue), kind_(kind) {
    for (const config::Property& property : properties) read(property);
    parse_values();
}

void ClientConfigParser::read(const config::Property& property) {
    if (catalogue_.find(property.key) != nullptr) {
        texts_.insert_or_assign(property.key, property);
        return;
    }
    auto ignored = config::ignored_client_keys();
    auto at = std::ranges::find_if(
        ignored, [&](const auto& key) { return key.covers(kind_, property.key); });
    if (at == ignored.end()) {
        warnings_.push_back(fmt::format("{}no config of {} {} is named '{}'{}", place_of(property),
                                        kind_ == "admin" ? "an" : "a", kind_, property.key,
                                        config::suggestion(catalogue_, property.key)));
    } else if (at->told) {
        warnings_.push_back(
            fmt::format("{}{} has no effect: {}", place_of(property), property.key, at->why));
    }
}

void ClientConfigParser::parse_values() {
    for (const config::Definition& definition : catalogue_.all()) {
        auto text = texts_.find(definition.name);
        if (text == texts_.end()) {
            values_.push_back(fallback(definition));
            require(!definition.required, definition.name,
                    fmt::format("{} is not set, and there is no default: it takes {}",
                                definition.name, config::allowed(definition)));
        } else if (auto parsed = config::parse_value(definition, text->second.value)) {
            values_.push_back(*std::move(parsed));
        } else {
            values_.push_back(fallback(definition));
            wrong(definition.name, parsed.error().message);
        }
    }
}

void ClientConfigParser::call_it(std::string name) {
    const config::Definition& key = *catalogue_.find("client.id");
    config::Value& value = values_[catalogue_.index_of(key)];
    if (std::get<std::string>(value).empty()) value = std::move(name);
}

std::string ClientConfigParser::text_or(std::string_view key, std::string_view otherwise) const {
    auto text = texts_.find(key);
    return std::string(text == texts_.end() ? otherwise : std::string_view(text->second.value));
}

void ClientConfigParser::wrong(std::string_view key, std::string_view sentence) {
    auto at = texts_.find(key);
    errors_.push_back(
        fmt::format("{}{}", at == texts_.end() ? "" : place_of(at->second), sentence));
}

Result<> ClientConfigParser::verdict() const {
    if (errors_.empty()) return {};
    return fail(ErrorCode::invalid_config, fmt::format("{}", fmt::join(errors_, "\n")));
}

std::vector<env::Address> ClientConfigParser::addresses(std::string_view key,
                                                        const std::vector<std::string>& words) {
    std::vector<env::Address> addresses;
    for (const std::string& word : words) {
        // Java's clients allow a protocol in front.
        std::string_view text = word;
        if (std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
            text.remove_prefix(scheme + 3);
        }
        if (auto parsed = config::parse_host_port(text)) {
            addresses.push_back({std::move(parsed->host), parsed->port});
        } else {
            wrong(key, fmt::format("{}={}: {}", key, word, parsed.error().message));
        }
    }
    return addresses;
}

std::optional<tls::Settings> ClientConfigParser::tls_settings(std::string_view protocol) {
    constexpr std::string_view key = "security.protocol";
    if (config::equal_ignoring_case(protocol, "PLAINTEXT")) return std::nullopt;
    if (!config::equal_ignoring_case(protocol, "SSL")) {
        wrong(key, fmt::format("{}={}: this client has no SASL; let it use a listener of the "
                               "brokers for PLAINTEXT or SSL",
                               key, protocol));
        return std::nullopt;
    }
    auto settings = tls::Settings::parse([&](std::string_view name) {
        auto text = texts_.find(name);
        return text == texts_.end() ? std::nullopt
                                    : std::optional<std::string_view>(text->second.value);
    });
    if (settings) return *std::move(settings);
    wrong(key, settings.error().message);
    return std::nullopt;
}

bool ClientConfigParser::is_rebootstrap(std::string_view strategy) {
    return config::equal_ignoring_case(strategy, "rebootstrap");
}

}  // namespace millrace::client
