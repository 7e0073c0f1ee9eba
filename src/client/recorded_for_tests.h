#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::client {

inline std::vector<std::string> split_at(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        std::size_t at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

// Lines of testdata/group_assignments.txt, which Kafka's classes made, that begin with `kind`.
inline std::vector<std::vector<std::string>> recorded(std::string_view kind) {
    std::ifstream file(MILLRACE_SOURCE_DIR "/src/client/testdata/group_assignments.txt");
    std::vector<std::vector<std::string>> lines;
    for (std::string line; std::getline(file, line);) {
        std::vector<std::string> fields = split_at(line, '\t');
        if (fields[0] == kind) lines.push_back(std::move(fields));
    }
    return lines;
}

inline std::string unhex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return bytes;
}

}  // namespace millrace::client
