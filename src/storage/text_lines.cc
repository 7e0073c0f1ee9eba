#include "storage/text_lines.h"

#include <fmt/core.h>

namespace millrace::storage {

std::vector<std::string_view> split_fields(std::string_view line) {
    constexpr std::string_view blanks = " \t\r";
    std::vector<std::string_view> fields;
    std::size_t at = line.find_first_not_of(blanks);
    while (at != std::string_view::npos) {
        std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
        fields.push_back(line.substr(at, end - at));
        at = line.find_first_not_of(blanks, end);
    }
    return fields;
}

std::unexpected<Error> bad_line(std::string_view name, std::size_t line,
                                std::string_view expected) {
    return fail(ErrorCode::kafka_storage_error,
                fmt::format("{}: line {} is not {}", name, line, expected));
}

Result<std::vector<std::vector<std::string_view>>> parse_checkpoint_lines(std::string_view text,
                                                                          std::size_t fields,
                                                                          std::string_view name) {
    std::vector<std::vector<std::string_view>> entries;
    if (text.empty()) return entries;
    std::optional<std::uint64_t> count;
    for (std::size_t number = 1; !text.empty(); ++number) {
        std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        auto parts = split_fields(line);
        if (number == 1) {
            if (parts.size() != 1 || parts[0] != "0") return bad_line(name, 1, "version 0");
        } else if (number == 2) {
            if (parts.size() == 1) count = parse_number<std::uint64_t>(parts[0]);
            if (!count) return bad_line(name, 2, "a number of entries");
        } else {
            if (parts.size() != fields) {
                return bad_line(name, number, fmt::format("an entry of {} fields", fields));
            }
            entries.push_back(std::move(parts));
        }
    }
    if (!count || *count != entries.size()) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{}: {} entries where line 2 says {}", name, entries.size(),
                                count.value_or(0)));
    }
    return entries;
}

}  // namespace millrace::storage
