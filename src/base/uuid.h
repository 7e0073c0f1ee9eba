#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

class Random;

// 128 bits, most significant first on the wire; in text 22 characters of base64url.
struct Uuid {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    auto operator<=>(const Uuid&) const = default;
    bool is_zero() const { return high == 0 && low == 0; }
    // Zero, one and two are set aside (null, metadata topic / unassigned directory, lost
    // directory).
    bool is_reserved() const { return high == 0 && low <= 2; }

    std::string to_string() const;
    static Result<Uuid> parse(std::string_view text);
    // Never reserved, and its text never begins with '-', which tools would read as an option.
    static Uuid random(Random& random);
};

inline constexpr Uuid metadata_topic_id{0, 1};

}  // namespace millrace

template <>
struct std::hash<millrace::Uuid> {
    std::size_t operator()(const millrace::Uuid& id) const noexcept {
        return (id.high ^ (id.low >> 29)) * 0x9e3779b97f4a7c15U + id.low;
    }
};
