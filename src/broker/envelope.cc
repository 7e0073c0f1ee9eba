#include "broker/envelope.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <optional>
#include <utility>
#include <vector>

#include "net/request.h"
#include "protocol/default_principal_data.h"

namespace millrace::broker {
namespace {

// Four bytes of "1.2.3.4", the only form that sessions write.
std::optional<std::vector<std::uint8_t>> parse_ipv4(std::string_view text) {
    std::vector<std::uint8_t> address;
    for (std::string_view rest = text; address.size() < 4;) {
        std::uint8_t byte = 0;
        const char* end = rest.data() + rest.size();
        auto [after, error] = std::from_chars(rest.data(), end, byte);
        if (error != std::errc()) return std::nullopt;
        address.push_back(byte);
        bool last = address.size() == 4;
        if (last != (after == end) || (!last && *after != '.')) return std::nullopt;
        rest.remove_prefix(
            std::min(rest.size(), static_cast<std::size_t>(after - rest.data()) + 1));
    }
    return address;
}

// The bytes of groups of four digits with colons between; of none for an empty text.
std::optional<std::vector<std::uint8_t>> parse_groups(std::string_view text) {
    std::vector<std::uint8_t> bytes;
    while (!text.empty()) {
        std::string_view group = text.substr(0, text.find(':'));
        text.remove_prefix(group.size());
        if (text.size() == 1) return std::nullopt;  // a colon with nothing behind it
        if (!text.empty()) text.remove_prefix(1);
        std::uint16_t value = 0;
        auto [after, error] = std::from_chars(group.data(), group.data() + group.size(), value, 16);
        bool whole = error == std::errc() && after == group.data() + group.size();
        if (!whole || group.size() > 4) return std::nullopt;
        bytes.push_back(static_cast<std::uint8_t>(value >> 8U));
        bytes.push_back(static_cast<std::uint8_t>(value));
    }
    return bytes;
}

// Sixteen bytes (RFC 4291), or the four of an IPv4 address in such a one.
std::optional<std::vector<std::uint8_t>> parse_ipv6(std::string_view text) {
    constexpr std::size_t size = 16;
    constexpr std::string_view mapped = "::ffff:";
    if (text.starts_with(mapped) && text.find('.') != std::string_view::npos)
        return parse_ipv4(text.substr(mapped.size()));
    text = text.substr(0, text.find('%'));  // the interface of a link-local one
    std::size_t gap = text.find("::");
    auto front = parse_groups(text.substr(0, gap));
    if (gap == std::string_view::npos) return front && front->size() == size ? front : std::nullopt;
    auto back = parse_groups(text.substr(gap + 2));
    if (!front || !back || front->size() + back->size() >= size) return std::nullopt;
    front->resize(size - back->size());
    front->insert(front->end(), back->begin(), back->end());
    return front;
}

// A host without a number, as no session has it, is told as the unspecified address: the controller
// only writes it into its log of requests.
Slice address_bytes(std::string_view host) {
    bool v6 = host.find(':') != std::string_view::npos;
    auto address = v6 ? parse_ipv6(host) : parse_ipv4(host);
    return Slice::copy(Bytes(address.value_or(std::vector<std::uint8_t>(16))));
}

Result<Slice> principal_bytes(std::string_view principal) {
    std::size_t colon = principal.find(':');
    DefaultPrincipalData data;
    data.type = principal.substr(0, colon);
    data.name = colon == std::string_view::npos ? "" : principal.substr(colon + 1);
    Writer out(64);
    out.write_int16(DefaultPrincipalData::max_version);
    RETURN_IF_ERROR(data.encode(out, DefaultPrincipalData::max_version));
    return std::move(out).finish().in_memory();
}

}  // namespace

ForwardedFor forwarded_for(const net::Peer& peer, std::string_view client_id) {
    return {peer.principal, peer.address.host, std::string(client_id)};
}

Slice without_size(const Chain& frame) { return frame.in_memory().slice(sizeof(std::int32_t)); }

Result<EnvelopeRequest> wrap(const Chain& frame, const ForwardedFor& sender) {
    EnvelopeRequest envelope;
    envelope.request_data = without_size(frame);
    ASSIGN_OR_RETURN(envelope.request_principal, principal_bytes(sender.principal));
    envelope.client_host_address = address_bytes(sender.host);
    return envelope;
}

Result<std::string> principal_in(const EnvelopeRequest& envelope) {
    auto failed = [](std::string_view why) {
        return fail(ErrorCode::principal_deserialization_failure,
                    fmt::format("the principal of a forwarded request cannot be read: {}", why));
    };
    if (!envelope.request_principal) return failed("there is none");
    Reader in(*envelope.request_principal);
    std::int16_t version = in.read_int16("version");
    if (!in.ok()) return failed("it is cut short");
    if (version < DefaultPrincipalData::min_version || version > DefaultPrincipalData::max_version)
        return failed(fmt::format("it has version {}", version));
    auto data = DefaultPrincipalData::decode(in, version);
    if (!data) return failed(data.error().message);
    return fmt::format("{}:{}", data->type, data->name);
}

}  // namespace millrace::broker
