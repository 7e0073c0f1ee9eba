#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::storage {

template <typename T>
std::optional<T> parse_number(std::string_view text) {
    T value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// The fields of a line, separated by blanks or tabs.
std::vector<std::string_view> split_fields(std::string_view line);

// The entry lines of a text checkpoint (formats 1.2): version 0, a count, and so many lines of
// `fields` fields each. Views into `text`. An empty text has no entries. kafka_storage_error
// naming `name` and the line.
Result<std::vector<std::vector<std::string_view>>> parse_checkpoint_lines(std::string_view text,
                                                                          std::size_t fields,
                                                                          std::string_view name);
std::unexpected<Error> bad_line(std::string_view name, std::size_t line, std::string_view expected);

}  // namespace millrace::storage
