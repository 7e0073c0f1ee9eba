#include "core/metadata/topic_names.h"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::metadata {
namespace {

constexpr std::size_t longest_name = 249;

bool is_legal(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

std::string what_is_wrong(std::string_view name) {
    if (name.empty()) return "the empty string is not allowed";
    if (name == "." || name == "..") return fmt::format("'{}' is not allowed", name);
    if (name.size() > longest_name) {
        return fmt::format("the length of '{}' is longer than the max allowed length {}", name,
                           longest_name);
    }
    if (!std::ranges::all_of(name, is_legal)) {
        return fmt::format(
            "'{}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            name);
    }
    return {};
}

}  // namespace

Result<> validate_topic_name(std::string_view name) {
    std::string reason = what_is_wrong(name);
    if (reason.empty()) return {};
    return fail(ErrorCode::invalid_topic_exception, "Topic name is invalid: " + reason);
}

bool is_internal_topic(std::string_view name) {
    return name == consumer_offsets_topic || name == transaction_state_topic ||
           name == share_group_state_topic;
}

bool has_collision_characters(std::string_view name) {
    return name.find_first_of("._") != std::string_view::npos;
}

std::string without_dots(std::string_view name) {
    std::string unified(name);
    std::ranges::replace(unified, '.', '_');
    return unified;
}

}  // namespace millrace::metadata
