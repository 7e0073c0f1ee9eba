#include "config/ip_address.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace millrace::config {
namespace {

using Octets = std::vector<std::uint8_t>;

bool parse_ipv4(std::string_view text, Octets& octets) {
    for (int part = 0; part < 4; ++part) {
        std::size_t dot = part < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos || dot == 0 || dot > 3) return false;
        unsigned value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + dot, value);
        if (error != std::errc() || end != text.data() + dot || value > 255) return false;
        octets.push_back(static_cast<std::uint8_t>(value));
        text.remove_prefix(std::min(dot + 1, text.size()));
    }
    return text.empty();
}

// Groups of hex digits between colons; the last may be an IPv4 address.
bool parse_groups(std::string_view text, Octets& octets) {
    while (!text.empty()) {
        std::size_t colon = std::min(text.find(':'), text.size());
        std::string_view group = text.substr(0, colon);
        if (colon == text.size() && group.contains('.')) return parse_ipv4(group, octets);
        unsigned value = 0;
        auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), value, 16);
        if (group.empty() || group.size() > 4 || error != std::errc() ||
            end != group.data() + group.size()) {
            return false;
        }
        octets.push_back(static_cast<std::uint8_t>(value >> 8U));
        octets.push_back(static_cast<std::uint8_t>(value));
        if (colon == text.size()) return true;
        text.remove_prefix(colon + 1);
        if (text.empty()) return false;
    }
    return true;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    IpAddress address;
    Octets head;
    Octets tail;
    if (!text.contains(':')) {
        if (!parse_ipv4(text, head)) return std::nullopt;
        address.octets[10] = address.octets[11] = 0xff;
        std::ranges::copy(head, address.octets.begin() + 12);
        return address;
    }
    std::size_t gap = text.find("::");
    bool whole = gap == std::string_view::npos;
    if (!parse_groups(text.substr(0, gap), head)) return std::nullopt;
    if (!whole && !parse_groups(text.substr(gap + 2), tail)) return std::nullopt;
    std::size_t size = head.size() + tail.size();
    if (whole ? size != address.octets.size() : size >= address.octets.size()) return std::nullopt;
    std::ranges::copy(head, address.octets.begin());
    std::ranges::copy_backward(tail, address.octets.end());
    return address;
}

}  // namespace millrace::config
