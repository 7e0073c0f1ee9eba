#include "protocol/json/json_text.h"

#include <cstdint>
#include <cstdio>

namespace millrace {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

bool continues(std::uint8_t byte) { return (byte & 0xc0) == 0x80; }

struct Step {
    std::size_t size = 1;  // bytes consumed
    bool valid = false;
};

Step two_bytes(std::string_view at) {
    if (at.size() < 2) return {at.size(), false};
    return continues(static_cast<std::uint8_t>(at[1])) ? Step{2, true} : Step{1, false};
}

Step three_bytes(std::string_view at) {
    auto first = static_cast<std::uint8_t>(at[0]);
    if (at.size() < 2) return {1, false};
    auto second = static_cast<std::uint8_t>(at[1]);
    bool overlong = first == 0xe0 && (second & 0xe0) == 0x80;
    if (overlong || !continues(second)) return {1, false};
    if (at.size() < 3) return {2, false};
    if (!continues(static_cast<std::uint8_t>(at[2]))) return {2, false};
    bool surrogate = first == 0xed && second >= 0xa0;  // one replacement for all three
    return {3, !surrogate};
}

Step four_bytes(std::string_view at) {
    auto first = static_cast<std::uint8_t>(at[0]);
    if (first > 0xf4 || at.size() < 2) return {1, false};
    auto second = static_cast<std::uint8_t>(at[1]);
    bool beyond = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
    if (beyond || !continues(second)) return {1, false};
    if (at.size() < 3 || !continues(static_cast<std::uint8_t>(at[2]))) return {2, false};
    if (at.size() < 4 || !continues(static_cast<std::uint8_t>(at[3]))) return {3, false};
    return {4, true};
}

// The first character of text that is not empty.
Step next_character(std::string_view at) {
    auto first = static_cast<std::uint8_t>(at[0]);
    if (first < 0x80) return {1, true};
    if (first >= 0xc2 && first <= 0xdf) return two_bytes(at);
    if ((first & 0xf0) == 0xe0) return three_bytes(at);
    if (first >= 0xf0 && first <= 0xf7) return four_bytes(at);
    return {1, false};
}

void append_escaped(std::string& to, char character) {
    switch (character) {
        case '"':
            to += "\\\"";
            return;
        case '\\':
            to += "\\\\";
            return;
        case '\b':
            to += "\\b";
            return;
        case '\t':
            to += "\\t";
            return;
        case '\n':
            to += "\\n";
            return;
        case '\f':
            to += "\\f";
            return;
        case '\r':
            to += "\\r";
            return;
        default:
            break;
    }
    if (static_cast<std::uint8_t>(character) >= 0x20) {
        to += character;
        return;
    }
    constexpr std::string_view digits = "0123456789ABCDEF";
    auto code = static_cast<std::uint8_t>(character);
    to += "\\u00";
    to += digits[code >> 4U];
    to += digits[code & 0xfU];
}

}  // namespace

void append_utf8(std::string& to, std::string_view bytes) {
    while (!bytes.empty()) {
        Step step = next_character(bytes);
        to += step.valid ? bytes.substr(0, step.size) : replacement;
        bytes.remove_prefix(step.size);
    }
}

void append_quoted(std::string& to, std::string_view bytes) {
    to += '"';
    while (!bytes.empty()) {
        Step step = next_character(bytes);
        if (step.size == 1 && step.valid) {
            append_escaped(to, bytes[0]);
        } else {
            to += step.valid ? bytes.substr(0, step.size) : replacement;
        }
        bytes.remove_prefix(step.size);
    }
    to += '"';
}

void append_quoted_base64(std::string& to, Bytes bytes) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    to += '"';
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::size_t left = bytes.size() - at;
        std::uint32_t group = std::uint32_t{bytes[at]} << 16U;
        if (left > 1) group |= std::uint32_t{bytes[at + 1]} << 8U;
        if (left > 2) group |= bytes[at + 2];
        to += alphabet[group >> 18U];
        to += alphabet[(group >> 12U) & 63U];
        to += left > 1 ? alphabet[(group >> 6U) & 63U] : '=';
        to += left > 2 ? alphabet[group & 63U] : '=';
    }
    to += '"';
}

}  // namespace millrace
