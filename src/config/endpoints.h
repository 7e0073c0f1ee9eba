#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::config {

// Values are the codes of registrations in the metadata log.
enum class SecurityProtocol : std::int16_t {
    plaintext = 0,
    ssl = 1,
    sasl_plaintext = 2,
    sasl_ssl = 3,
};
std::string_view name_of(SecurityProtocol protocol);
Result<SecurityProtocol> parse_security_protocol(std::string_view name);
inline bool uses_tls(SecurityProtocol p) {
    return p == SecurityProtocol::ssl || p == SecurityProtocol::sasl_ssl;
}
inline bool uses_sasl(SecurityProtocol p) {
    return p == SecurityProtocol::sasl_plaintext || p == SecurityProtocol::sasl_ssl;
}

struct HostPort {
    std::string host;  // IPv6 without brackets
    std::uint16_t port = 0;
    bool operator==(const HostPort&) const = default;
};
// HOST:PORT or [IPV6]:PORT. An empty host is an error unless `wildcard`.
Result<HostPort> parse_host_port(std::string_view text, bool wildcard = false);
std::string to_string(const HostPort& address);

// A listener: where it binds, or how it is advertised.
struct Endpoint {
    std::string listener;  // upper case
    std::string host;      // "": every address of the machine
    std::uint16_t port = 0;
    SecurityProtocol protocol = SecurityProtocol::plaintext;
    bool operator==(const Endpoint&) const = default;
};
std::string to_string(const Endpoint& endpoint);  // NAME://HOST:PORT

// listener.security.protocol.map: by listener name in upper case.
using ProtocolMap = std::map<std::string, SecurityProtocol, std::less<>>;
Result<ProtocolMap> parse_protocol_map(std::string_view text);

// NAME://HOST:PORT,... Names differ; ports differ too where `distinct_ports`, but for 0 and for one
// IPv4 beside one IPv6 address.
Result<std::vector<Endpoint>> parse_endpoints(const std::vector<std::string>& words,
                                              const ProtocolMap& protocols, bool distinct_ports);

// A member of a static quorum (controller.quorum.voters).
struct Voter {
    std::int32_t id = 0;
    HostPort address;
    bool operator==(const Voter&) const = default;
};
Result<Voter> parse_voter(std::string_view text);  // ID@HOST:PORT

}  // namespace millrace::config
