#include "base/uuid.h"

#include <array>

#include "base/bytes.h"
#include "base/random.h"

namespace millrace {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string Uuid::to_string() const {
    std::array<std::uint8_t, 18> bytes{};
    store_be(bytes.data(), high);
    store_be(bytes.data() + 8, low);
    std::string text;
    text.reserve(24);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned group = bytes[i] << 16U | bytes[i + 1] << 8U | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) text.push_back(alphabet[group >> shift & 63U]);
    }
    text.resize(22);
    return text;
}

Result<Uuid> Uuid::parse(std::string_view text) {
    auto bad = [&](const char* why) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 64)) + "' is no uuid: " + why);
    };
    std::string_view digits = text.ends_with("==") ? text.substr(0, text.size() - 2) : text;
    if (digits.size() != 22) return bad("it takes 22 characters of base64url");
    std::array<std::uint8_t, 18> bytes{};
    unsigned bits = 0;
    std::size_t out = 0;
    for (std::size_t i = 0; i < 24; ++i) {
        std::size_t value = i < digits.size() ? alphabet.find(digits[i]) : 0;
        if (value == std::string_view::npos) return bad("only A-Z a-z 0-9 - _ are allowed");
        bits = bits << 6U | static_cast<unsigned>(value);
        if (i % 4 == 3) {
            bytes[out++] = static_cast<std::uint8_t>(bits >> 16U);
            bytes[out++] = static_cast<std::uint8_t>(bits >> 8U);
            bytes[out++] = static_cast<std::uint8_t>(bits);
            bits = 0;
        }
    }
    return Uuid{load_be<std::uint64_t>(bytes.data()), load_be<std::uint64_t>(bytes.data() + 8)};
}

Uuid Uuid::random(Random& random) {
    for (;;) {
        // The version and variant bits of RFC 9562, as java.util.UUID sets them.
        Uuid id{(random.next() & ~0xf000ULL) | 0x4000ULL,
                (random.next() & ~(3ULL << 62U)) | (2ULL << 62U)};
        if (!id.is_reserved() && !id.to_string().starts_with('-')) return id;
    }
}

}  // namespace millrace
