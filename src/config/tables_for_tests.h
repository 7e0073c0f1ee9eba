#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

// What the tests of this room read: tab-separated tables whose first line names the columns.
namespace millrace::config {

using Row = std::map<std::string, std::string>;

inline std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> out;
    while (true) {
        std::size_t at = text.find(separator);
        out.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        text.remove_prefix(at + 1);
    }
}

inline std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

// Empty when there is no such file: the tests check that.
inline std::vector<Row> read_table(const std::string& path) {
    std::vector<std::string> lines = split(read_file(path), '\n');
    std::vector<std::string> names = split(lines.front(), '\t');
    std::vector<Row> rows;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        if (lines[i].empty()) continue;
        std::vector<std::string> fields = split(lines[i], '\t');
        Row row;
        for (std::size_t j = 0; j < names.size() && j < fields.size(); ++j) {
            row[names[j]] = fields[j];
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

// %XXXX is the character of that number, as UTF-8.
inline std::string unescape_recorded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        auto c = static_cast<unsigned>(std::stoul(std::string(text.substr(i + 1, 4)), nullptr, 16));
        i += 4;
        if (c < 0x80) {
            out += static_cast<char>(c);
        } else if (c < 0x800) {
            out += static_cast<char>(0xc0U | (c >> 6U));
            out += static_cast<char>(0x80U | (c & 0x3fU));
        } else {
            out += static_cast<char>(0xe0U | (c >> 12U));
            out += static_cast<char>(0x80U | ((c >> 6U) & 0x3fU));
            out += static_cast<char>(0x80U | (c & 0x3fU));
        }
    }
    return out;
}

// Below the folder of the project.
inline std::string recorded(const std::string& project, const std::string& name) {
    return project + "/src/config/recorded/" + name;
}

}  // namespace millrace::config
