#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::config {

// An IPv4 or IPv6 address without a zone; an IPv4 address as IPv6 maps it (::ffff:a.b.c.d), so that
// both spellings are equal.
struct IpAddress {
    std::array<std::uint8_t, 16> octets{};

    auto operator<=>(const IpAddress&) const = default;
    // Nothing for what is no address, names of hosts among them.
    static std::optional<IpAddress> parse(std::string_view text);
};

}  // namespace millrace::config
