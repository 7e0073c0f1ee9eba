#include "storage/s3/xml.h"

#include <charconv>
#include <cstdint>
#include <fmt/core.h>
#include <vector>

namespace millrace::storage::s3 {
namespace {

constexpr std::size_t deepest = 16;
constexpr std::string_view blanks = " \t\r\n";

void append_utf8(std::string& out, std::uint32_t code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
        return;
    }
    int following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(first[following] | code >> (6 * following));
    while (following-- > 0) out += static_cast<char>(0x80 | (code >> (6 * following) & 0x3f));
}

class Reader {
  public:
    using Leaf = std::function<void(std::string_view, std::string_view)>;
    Reader(std::string_view text, const Leaf& leaf) : rest_(text), leaf_(leaf) {}

    Result<> read() {
        while (!rest_.empty()) {
            if (!step()) return bad();
        }
        if (!starts_.empty() || !had_root_) return bad();
        return {};
    }

  private:
    static std::unexpected<Error> bad() {
        return fail(ErrorCode::kafka_storage_error, "the answer is no XML as S3 sends it");
    }

    // One tag, or the text before the next one.
    bool step() {
        if (rest_.front() != '<') return take_text();
        if (take("<!--")) return skip_past("-->");
        if (take("<![CDATA[")) {
            std::size_t end = rest_.find("]]>");
            if (end == std::string_view::npos || starts_.empty()) return false;
            text_ += rest_.substr(0, end);
            return skip_past("]]>");
        }
        if (take("<?")) return skip_past("?>");
        if (take("<!")) return false;  // entities that swell, files that are read: not here
        if (take("</")) return end_element();
        rest_.remove_prefix(1);
        return begin_element();
    }

    bool take_text() {
        std::size_t end = std::min(rest_.find('<'), rest_.size());
        std::string_view text = rest_.substr(0, end);
        rest_.remove_prefix(end);
        if (starts_.empty()) return text.find_first_not_of(blanks) == std::string_view::npos;
        return decode(text);
    }

    bool decode(std::string_view text) {
        for (;;) {
            std::size_t mark = std::min(text.find('&'), text.size());
            text_ += text.substr(0, mark);
            text.remove_prefix(mark);
            if (text.empty()) return true;
            std::size_t end = text.find(';');
            if (end == std::string_view::npos || !decode_one(text.substr(1, end - 1))) return false;
            text.remove_prefix(end + 1);
        }
    }

    bool decode_one(std::string_view name) {
        constexpr std::pair<std::string_view, char> known[] = {
            {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
        for (auto [entity, letter] : known) {
            if (entity != name) continue;
            text_ += letter;
            return true;
        }
        if (!name.starts_with('#')) return false;
        name.remove_prefix(1);
        bool hex = name.starts_with('x');
        if (hex) name.remove_prefix(1);
        std::uint32_t code = 0;
        auto [end, error] =
            std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
        bool surrogate = code >= 0xd800 && code < 0xe000;
        if (error != std::errc() || end != name.data() + name.size() || code > 0x10ffff ||
            surrogate) {
            return false;
        }
        append_utf8(text_, code);
        return true;
    }

    bool begin_element() {
        std::size_t end = tag_end();
        if (end == std::string_view::npos) return false;
        std::string_view tag = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        bool empty = tag.ends_with('/');
        if (empty) tag.remove_suffix(1);
        std::string_view name = tag.substr(0, tag.find_first_of(blanks));
        bool second_root = starts_.empty() && had_root_;
        if (name.empty() || second_root || starts_.size() == deepest) return false;
        had_root_ = true;
        starts_.push_back(path_.size());
        if (!path_.empty()) path_ += '/';
        path_ += name;
        text_.clear();
        is_leaf_ = true;
        return !empty || leave();
    }

    // '>' may stand in an attribute's value.
    std::size_t tag_end() const {
        char quote = 0;
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            char c = rest_[i];
            if (quote != 0) {
                if (c == quote) quote = 0;
            } else if (c == '>') {
                return i;
            } else if (c == '"' || c == '\'') {
                quote = c;
            }
        }
        return std::string_view::npos;
    }

    bool end_element() {
        std::size_t end = rest_.find('>');
        if (end == std::string_view::npos || starts_.empty()) return false;
        std::string_view name = rest_.substr(0, end);
        name = name.substr(0, name.find_first_of(blanks));
        rest_.remove_prefix(end + 1);
        std::size_t at = starts_.back() == 0 ? 0 : starts_.back() + 1;
        return std::string_view(path_).substr(at) == name && leave();
    }

    bool leave() {
        if (is_leaf_) leaf_(path_, text_);
        is_leaf_ = false;
        path_.resize(starts_.back());
        starts_.pop_back();
        text_.clear();
        return true;
    }

    bool take(std::string_view word) {
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }
    bool skip_past(std::string_view word) {
        std::size_t at = rest_.find(word);
        if (at == std::string_view::npos) return false;
        rest_.remove_prefix(at + word.size());
        return true;
    }

    std::string_view rest_;
    const Leaf& leaf_;
    std::string path_;
    std::vector<std::size_t> starts_;  // of path_ before each open element
    std::string text_;
    bool is_leaf_ = false;
    bool had_root_ = false;
};

}  // namespace

Result<> read_xml(std::string_view text,
                  const std::function<void(std::string_view, std::string_view)>& leaf) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    return Reader(text, leaf).read();
}

std::string escape_xml(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

}  // namespace millrace::storage::s3
