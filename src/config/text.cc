#include "config/text.h"

#include <algorithm>
#include <cstddef>

namespace millrace::config {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes "12" or, where a fraction may be, "1.5" off the front.
bool take_number(std::string_view& text, bool& had_fraction) {
    std::size_t size = 0;
    while (size < text.size() && is_digit(text[size])) ++size;
    if (size == 0) return false;
    had_fraction = size < text.size() && text[size] == '.';
    if (had_fraction) {
        ++size;
        while (size < text.size() && is_digit(text[size])) ++size;
    }
    text.remove_prefix(size);
    return true;
}

}  // namespace

std::string_view trim(std::string_view text) {
    while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
    return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::string upper_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), to_upper);
    return out;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), to_lower);
    return out;
}

bool is_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_digit);
}

bool is_iso_duration(std::string_view text) {
    if (text.empty() || to_upper(text.front()) != 'P') return false;
    text.remove_prefix(1);
    std::string_view units = "DTHMS";  // each at most once, in this order
    bool any = false;
    while (!text.empty()) {
        if (to_upper(text.front()) == 'T') {
            if (units.find('T') == std::string_view::npos || text.size() == 1) return false;
            units = "HMS";
            text.remove_prefix(1);
            continue;
        }
        bool fraction = false;
        if (!take_number(text, fraction) || text.empty()) return false;
        char unit = to_upper(text.front());
        std::size_t at = units.find(unit);
        bool in_time = units.find('T') == std::string_view::npos;
        if (at == std::string_view::npos || unit == 'T' || (unit != 'D' && !in_time) ||
            (fraction && unit != 'S')) {
            return false;
        }
        units.remove_prefix(at + 1);
        text.remove_prefix(1);
        any = true;
    }
    return any;
}

bool is_balanced_regex(std::string_view text) {
    int open = 0;
    bool in_class = false;
    bool can_repeat = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '\\') {
            if (++i == text.size()) return false;
            can_repeat = true;
        } else if (in_class) {
            in_class = c != ']';
            can_repeat = true;
        } else if (c == '[') {
            in_class = true;
        } else if (c == '(') {
            ++open;
            can_repeat = i + 1 < text.size() && text[i + 1] == '?';
        } else if (c == ')') {
            if (--open < 0) return false;
            can_repeat = true;
        } else if (c == '*' || c == '+' || c == '?') {
            if (!can_repeat) return false;
        } else {
            can_repeat = c != '|' && c != '^';
        }
    }
    return open == 0 && !in_class;
}

}  // namespace millrace::config
