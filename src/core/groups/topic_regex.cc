#include "core/groups/topic_regex.h"

#include <fmt/core.h>
#include <re2/re2.h>

namespace millrace::groups {
namespace {

RE2::Options options() {
    RE2::Options options;
    options.set_log_errors(false);
    return options;
}

}  // namespace

Result<> check_regex(const std::string& regex) {
    RE2 compiled(regex, options());
    if (compiled.ok()) return {};
    return fail(ErrorCode::invalid_regular_expression,
                fmt::format("SubscribedTopicRegex `{}` is not a valid regular expression: {}.",
                            regex, compiled.error()));
}

std::map<std::string, ResolvedRegex> resolve_regexes(const std::set<std::string>& regexes,
                                                     const metadata::Image& image, Timestamp now) {
    std::map<std::string, ResolvedRegex> resolved;
    for (const std::string& regex : regexes) {
        ResolvedRegex& meaning = resolved[regex];
        meaning.version = image.offset;
        meaning.timestamp = now;
        RE2 compiled(regex, options());
        if (!compiled.ok()) continue;
        for (const auto& [name, topic] : image.topics.by_name()) {
            if (RE2::FullMatch(re2::StringPiece(name.data(), name.size()), compiled)) {
                meaning.topics.emplace(name);
            }
        }
    }
    return resolved;
}

}  // namespace millrace::groups
