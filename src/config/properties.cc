#include "config/properties.h"

#include <cstdint>
#include <fmt/format.h>
#include <optional>

#include "config/text.h"

namespace millrace::config {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }
bool is_line_end(char c) { return c == '\n' || c == '\r'; }

// Cuts the text into logical lines: no comments, no blanks in front, continued lines joined.
class Lines {
  public:
    explicit Lines(std::string_view text) : text_(text) {}

    // Escapes are left in; `line` is where the logical line begins.
    std::optional<std::string> next(int& line) {
        while (at_ < text_.size()) {
            skip_blanks();
            if (at_ == text_.size()) break;
            if (is_line_end(text_[at_])) {
                skip_line_end();
            } else if (text_[at_] == '#' || text_[at_] == '!') {
                while (at_ < text_.size() && !is_line_end(text_[at_])) ++at_;
            } else {
                line = line_;
                return logical_line();
            }
        }
        return std::nullopt;
    }

  private:
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }
    void skip_line_end() {
        bool return_first = text_[at_] == '\r';
        ++at_;
        if (return_first && at_ < text_.size() && text_[at_] == '\n') ++at_;
        ++line_;
    }
    std::string logical_line() {
        std::string out;
        while (at_ < text_.size() && !is_line_end(text_[at_])) {
            if (text_[at_] != '\\') {
                out += text_[at_++];
            } else if (at_ + 1 == text_.size()) {
                ++at_;  // a backslash that ends the file stands for nothing
            } else if (is_line_end(text_[at_ + 1])) {
                ++at_;
                skip_line_end();
                skip_blanks();
            } else {
                out += text_[at_++];
                out += text_[at_++];
            }
        }
        return out;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
};

void append_utf8(std::string& out, std::uint32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xc0U | (c >> 6U));
        out += static_cast<char>(0x80U | (c & 0x3fU));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xe0U | (c >> 12U));
        out += static_cast<char>(0x80U | ((c >> 6U) & 0x3fU));
        out += static_cast<char>(0x80U | (c & 0x3fU));
    } else {
        out += static_cast<char>(0xf0U | (c >> 18U));
        out += static_cast<char>(0x80U | ((c >> 12U) & 0x3fU));
        out += static_cast<char>(0x80U | ((c >> 6U) & 0x3fU));
        out += static_cast<char>(0x80U | (c & 0x3fU));
    }
}

// The four hexadecimal digits at the front; none: they are not there.
std::optional<std::uint32_t> hexadecimal(std::string_view text) {
    if (text.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (char c : text.substr(0, 4)) {
        value <<= 4U;
        if (c >= '0' && c <= '9') {
            value += static_cast<std::uint32_t>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value += static_cast<std::uint32_t>(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            value += static_cast<std::uint32_t>(c - 'A' + 10);
        } else {
            return std::nullopt;
        }
    }
    return value;
}

// The character behind \u, two of them where they are a surrogate pair; an unpaired half becomes
// U+FFFD. false: malformed.
bool unescape_unicode(std::string_view& text, std::string& out) {
    auto first = hexadecimal(text);
    if (!first) return false;
    text.remove_prefix(4);
    bool high = *first >= 0xd800 && *first < 0xdc00;
    if (high && text.starts_with("\\u")) {
        auto second = hexadecimal(text.substr(2));
        if (second && *second >= 0xdc00 && *second < 0xe000) {
            append_utf8(out, 0x10000 + ((*first - 0xd800) << 10U) + (*second - 0xdc00));
            text.remove_prefix(6);
            return true;
        }
    }
    bool half = *first >= 0xd800 && *first < 0xe000;
    append_utf8(out, half ? 0xfffdU : *first);
    return true;
}

std::optional<std::string> unescape(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        char c = text.front();
        text.remove_prefix(1);
        if (c != '\\' || text.empty()) {
            out += c;
            continue;
        }
        c = text.front();
        text.remove_prefix(1);
        switch (c) {
            case 't':
                out += '\t';
                break;
            case 'n':
                out += '\n';
                break;
            case 'r':
                out += '\r';
                break;
            case 'f':
                out += '\f';
                break;
            case 'u':
                if (!unescape_unicode(text, out)) return std::nullopt;
                break;
            default:
                out += c;
        }
    }
    return out;
}

// Where the key of a logical line ends.
std::size_t key_size(std::string_view line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\\') {
            ++i;
        } else if (line[i] == '=' || line[i] == ':' || is_blank(line[i])) {
            return i;
        }
    }
    return line.size();
}

}  // namespace

Result<Properties> Properties::parse(std::string_view text) {
    Properties properties;
    Lines lines(text);
    int number = 0;
    while (auto line = lines.next(number)) {
        std::string_view rest = *line;
        std::size_t size = key_size(rest);
        std::string_view key = rest.substr(0, size);
        rest.remove_prefix(size);
        while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
        if (!rest.empty() && (rest.front() == '=' || rest.front() == ':')) {
            rest.remove_prefix(1);
            while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
        }
        auto plain_key = unescape(key);
        auto value = unescape(rest);
        if (!plain_key || !value) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("line {}: \\u is followed by four hexadecimal digits; write "
                                    "\\\\ for a backslash",
                                    number));
        }
        properties.set(*std::move(plain_key), *std::move(value), number);
    }
    return properties;
}

const Property* Properties::find(std::string_view key) const {
    for (auto at = properties_.rbegin(); at != properties_.rend(); ++at) {
        if (at->key == key) return &*at;
    }
    return nullptr;
}

std::string_view Properties::get(std::string_view key, std::string_view otherwise) const {
    const Property* property = find(key);
    return property == nullptr ? otherwise : std::string_view(property->value);
}

Result<Property> parse_assignment(std::string_view text) {
    std::size_t equals = text.find('=');
    std::string_view key = trim(text.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()) {
        return fail(ErrorCode::invalid_config, fmt::format("'{}' is not KEY=VALUE", text));
    }
    return Property{std::string(key), std::string(trim(text.substr(equals + 1))), 0};
}

}  // namespace millrace::config
