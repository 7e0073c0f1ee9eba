#include "storage/file_names.h"

#include <algorithm>
#include <fmt/core.h>

#include "storage/text_lines.h"

namespace millrace::storage {
namespace {
constexpr std::size_t digits = 20;
constexpr std::size_t longest_name = 255;
}  // namespace

std::string segment_path(std::string_view directory, Offset base, std::string_view suffix) {
    return fmt::format("{}/{:020}{}", directory, base, suffix);
}

std::optional<Offset> offset_of_file(std::string_view name) {
    if (name.size() <= digits || name[digits] != '.') return std::nullopt;
    auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (!std::ranges::all_of(name.substr(0, digits), is_digit)) return std::nullopt;
    return parse_number<Offset>(name.substr(0, digits));
}

bool is_segment_file(std::string_view name, std::string_view suffix) {
    return name.size() == digits + suffix.size() && name.ends_with(suffix) && offset_of_file(name);
}

std::optional<PartitionName> parse_partition_name(std::string_view name) {
    std::size_t dash = name.rfind('-');
    if (dash == std::string_view::npos || dash == 0) return std::nullopt;
    auto partition = parse_number<std::int32_t>(name.substr(dash + 1));
    std::string_view topic = name.substr(0, dash);
    auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    if (!partition || *partition < 0 || topic.size() > 249 || topic == "." || topic == "..") {
        return std::nullopt;
    }
    if (!std::ranges::all_of(topic, allowed)) return std::nullopt;
    return PartitionName{std::string(topic), *partition};
}

std::string renamed_directory(const PartitionName& partition, std::string_view hex,
                              std::string_view suffix) {
    std::string tail = fmt::format("-{}.{}{}", partition.partition, hex, suffix);
    std::string topic = partition.topic.substr(0, longest_name - tail.size());
    return topic + tail;
}

}  // namespace millrace::storage
