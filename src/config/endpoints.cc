#include "config/endpoints.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "config/text.h"
#include "config/value.h"

namespace millrace::config {
namespace {

constexpr std::string_view protocol_names[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};

bool is_host(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '%' || c == '.' || c == '_' || c == ':';
    });
}

enum class AddressKind : std::uint8_t { name, ipv4, ipv6 };

AddressKind kind_of(std::string_view host) {
    if (host.find(':') != std::string_view::npos) return AddressKind::ipv6;
    int parts = 0;
    while (true) {
        std::size_t dot = host.find('.');
        std::string_view part = host.substr(0, dot);
        if (!is_digits(part) || part.size() > 3) return AddressKind::name;
        ++parts;
        if (dot == std::string_view::npos) break;
        host.remove_prefix(dot + 1);
    }
    return parts == 4 ? AddressKind::ipv4 : AddressKind::name;
}

bool may_share_port(const Endpoint& a, const Endpoint& b) {
    AddressKind one = kind_of(a.host);
    AddressKind other = kind_of(b.host);
    return one != other && one != AddressKind::name && other != AddressKind::name;
}

std::string bracketed(std::string_view host) {
    return host.find(':') == std::string_view::npos ? std::string(host) : fmt::format("[{}]", host);
}

}  // namespace

std::string_view name_of(SecurityProtocol protocol) {
    return protocol_names[static_cast<std::size_t>(protocol)];
}

Result<SecurityProtocol> parse_security_protocol(std::string_view name) {
    for (std::int16_t i = 0; i < 4; ++i) {
        if (equal_ignoring_case(protocol_names[i], name)) return static_cast<SecurityProtocol>(i);
    }
    return fail(ErrorCode::invalid_config,
                fmt::format("'{}' is no security protocol: use PLAINTEXT, SSL, SASL_PLAINTEXT or "
                            "SASL_SSL",
                            name));
}

Result<HostPort> parse_host_port(std::string_view text, bool wildcard) {
    auto wrong = [&](std::string_view what) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("'{}' is not HOST:PORT: {}", text, what));
    };
    std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong("there is no port");
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (!is_host(host)) return wrong("the host holds a character that no host name has");
    if (host.empty() && !wildcard) return wrong("there is no host");
    std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
        return wrong("a port is a number from 0 to 65535");
    }
    return HostPort{std::string(host), port};
}

std::string to_string(const HostPort& address) {
    return fmt::format("{}:{}", bracketed(address.host), address.port);
}

std::string to_string(const Endpoint& endpoint) {
    return fmt::format("{}://{}:{}", endpoint.listener, bracketed(endpoint.host), endpoint.port);
}

Result<ProtocolMap> parse_protocol_map(std::string_view text) {
    ProtocolMap map;
    for (const std::string& word : split_list(text)) {
        std::size_t colon = word.rfind(':');
        if (colon == std::string::npos) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("'{}' is not LISTENER:PROTOCOL", word));
        }
        std::string_view name = trim(std::string_view(word).substr(0, colon));
        ASSIGN_OR_RETURN(auto protocol,
                         parse_security_protocol(trim(std::string_view(word).substr(colon + 1))));
        if (!map.emplace(upper_case(name), protocol).second) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("listener '{}' is there twice", name));
        }
    }
    return map;
}

Result<std::vector<Endpoint>> parse_endpoints(const std::vector<std::string>& words,
                                              const ProtocolMap& protocols, bool distinct_ports) {
    std::vector<Endpoint> endpoints;
    for (const std::string& word : words) {
        std::size_t slashes = word.find("://");
        if (slashes == std::string::npos) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("'{}' is not NAME://HOST:PORT", word));
        }
        std::string name = upper_case(std::string_view(word).substr(0, slashes));
        ASSIGN_OR_RETURN(HostPort address,
                         parse_host_port(std::string_view(word).substr(slashes + 3), true));
        auto protocol = protocols.find(name);
        if (protocol == protocols.end()) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("listener '{}' has no protocol: name it in "
                                    "listener.security.protocol.map",
                                    name));
        }
        Endpoint endpoint{name, address.host, address.port, protocol->second};
        for (const Endpoint& other : endpoints) {
            if (other.listener == name) {
                return fail(ErrorCode::invalid_config,
                            fmt::format("two listeners are named '{}'", name));
            }
            if (distinct_ports && other.port == endpoint.port && other.port != 0 &&
                !may_share_port(other, endpoint)) {
                return fail(ErrorCode::invalid_config,
                            fmt::format("'{}' and '{}' have the same port, which only an IPv4 and "
                                        "an IPv6 address may share",
                                        to_string(other), to_string(endpoint)));
            }
        }
        endpoints.push_back(std::move(endpoint));
    }
    return endpoints;
}

Result<Voter> parse_voter(std::string_view text) {
    std::size_t at = text.find('@');
    std::string_view digits = text.substr(0, at);
    std::int32_t id = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (at == std::string_view::npos || !is_digits(digits) || error != std::errc() ||
        end != digits.data() + digits.size()) {
        return fail(ErrorCode::invalid_config, fmt::format("'{}' is not ID@HOST:PORT", text));
    }
    ASSIGN_OR_RETURN(HostPort address, parse_host_port(text.substr(at + 1)));
    return Voter{id, std::move(address)};
}

}  // namespace millrace::config
