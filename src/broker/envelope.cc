#include "broker/envelope.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/core.h>
#include <optional>
#include <utility>

#include "net/request.h"
#include "protocol/default_principal_data.h"

namespace millrace::broker {
namespace {

using Address4 = std::array<std::uint8_t, 4>;

std::optional<Address4> parse_ipv4(std::string_view text) {
    if (std::size_t mapped = text.rfind(':'); mapped != std::string_view::npos)
        text.remove_prefix(mapped + 1);  // ::ffff:1.2.3.4
    Address4 address{};
    for (std::size_t i = 0; i < address.size(); ++i) {
        const char* end = text.data() + text.size();
        auto [rest, error] = std::from_chars(text.data(), end, address[i]);
        if (error != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
        bool last = i + 1 == address.size();
        if (last != text.empty() || (!last && text.front() != '.')) return std::nullopt;
        if (!last) text.remove_prefix(1);
    }
    return address;
}

// Four bytes, or sixteen. What is no IPv4 address is told as the unspecified one: the controller
// only writes it into its log of requests.
Slice address_bytes(std::string_view host) {
    if (auto address = parse_ipv4(host)) return Slice::copy(Bytes(*address));
    constexpr std::array<std::uint8_t, 16> unspecified{};
    return Slice::copy(Bytes(unspecified));
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
