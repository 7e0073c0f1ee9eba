#include "base/java_hash.h"

namespace millrace {
namespace {

// The next code point; malformed bytes count as U+FFFD, as Java decodes them.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
    auto lead = static_cast<unsigned char>(text[at++]);
    int more = lead < 0x80         ? 0
               : (lead >> 5) == 6  ? 1
               : (lead >> 4) == 14 ? 2
               : (lead >> 3) == 30 ? 3
                                   : -1;
    if (more < 0) return 0xfffd;
    std::uint32_t point = more == 0 ? lead : lead & (0x3fU >> static_cast<unsigned>(more));
    for (; more > 0; --more) {
        if (at == text.size()) return 0xfffd;
        auto byte = static_cast<unsigned char>(text[at]);
        if ((byte & 0xc0U) != 0x80) return 0xfffd;
        point = point << 6U | (byte & 0x3fU);
        ++at;
    }
    return point;
}

}  // namespace

std::u16string java_chars(std::string_view text) {
    std::u16string chars;
    chars.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        std::uint32_t point = next_code_point(text, at);
        if (point >= 0x10000) {
            point -= 0x10000;
            chars.push_back(static_cast<char16_t>(0xd800 + (point >> 10U)));
            point = 0xdc00 + (point & 0x3ffU);
        }
        chars.push_back(static_cast<char16_t>(point));
    }
    return chars;
}

std::int32_t java_hash(std::string_view text) {
    std::uint32_t hash = 0;
    for (char16_t c : java_chars(text)) hash = 31 * hash + c;
    return static_cast<std::int32_t>(hash);
}

}  // namespace millrace
