#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// LEB128, low group first; the signed forms are zigzag (records use them, messages do not).
inline constexpr std::size_t max_uvarint32_size = 5;
inline constexpr std::size_t max_uvarint64_size = 10;

constexpr std::uint64_t zigzag(std::int64_t n) {
    return (static_cast<std::uint64_t>(n) << 1U) ^ static_cast<std::uint64_t>(n >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t n) {
    return static_cast<std::int64_t>(n >> 1U) ^ -static_cast<std::int64_t>(n & 1U);
}

constexpr std::size_t uvarint_size(std::uint64_t n) {
    return n == 0 ? 1 : (static_cast<std::size_t>(64 - __builtin_clzll(n)) + 6) / 7;
}
constexpr std::size_t varint_size(std::int64_t n) { return uvarint_size(zigzag(n)); }

// Writes n at `at` (room for uvarint_size(n)); returns the end.
constexpr std::uint8_t* put_uvarint(std::uint8_t* at, std::uint64_t n) {
    while (n >= 0x80) {
        *at++ = static_cast<std::uint8_t>(n | 0x80U);
        n >>= 7U;
    }
    *at++ = static_cast<std::uint8_t>(n);
    return at;
}
constexpr std::uint8_t* put_varint(std::uint8_t* at, std::int64_t n) {
    return put_uvarint(at, zigzag(n));
}

// Reads up to max_size bytes of [at, end); returns the byte behind, or nullptr when it is cut short
// or does not fit the width. max_size is at least 2.
constexpr const std::uint8_t* get_uvarint(const std::uint8_t* at, const std::uint8_t* end,
                                          std::uint64_t& n,
                                          std::size_t max_size = max_uvarint64_size) {
    // Nearly all have one byte or two.
    if (end - at >= 2) [[likely]] {
        if (at[0] < 0x80) {
            n = at[0];
            return at + 1;
        }
        if (at[1] < 0x80) {
            n = (at[0] & 0x7fU) | static_cast<std::uint64_t>(at[1]) << 7U;
            return at + 2;
        }
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < max_size && at != end; ++i) {
        std::uint8_t byte = *at++;
        value |= static_cast<std::uint64_t>(byte & 0x7fU) << (7 * i);
        if (byte < 0x80) {
            if (max_size == max_uvarint32_size && value > 0xffffffffU) return nullptr;
            if (i == max_uvarint64_size - 1 && byte > 1) return nullptr;
            n = value;
            return at;
        }
    }
    return nullptr;
}
constexpr const std::uint8_t* get_varint(const std::uint8_t* at, const std::uint8_t* end,
                                         std::int64_t& n,
                                         std::size_t max_size = max_uvarint64_size) {
    std::uint64_t raw = 0;
    at = get_uvarint(at, end, raw, max_size);
    if (at != nullptr) n = unzigzag(raw);
    return at;
}

}  // namespace millrace
