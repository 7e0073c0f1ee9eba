#include "server/shell_words.h"

#include <utility>

namespace millrace::server {

std::vector<std::string> split_words(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool begun = false;
    char quote = 0;
    auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    for (std::size_t i = 0; i < line.size(); ++i) {
        char c = line[i];
        bool escapes = c == '\\' && i + 1 < line.size() &&
                       (is_blank(line[i + 1]) || line[i + 1] == '\'' || line[i + 1] == '"');
        if (escapes) {
            word += line[++i];
            begun = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            begun = true;
        } else if (is_blank(c)) {
            if (begun) words.push_back(std::exchange(word, {}));
            begun = false;
        } else {
            word += c;
            begun = true;
        }
    }
    if (begun) words.push_back(std::move(word));
    return words;
}

}  // namespace millrace::server
