#include "client/topic_pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

namespace millrace::client {

Result<TopicPattern> TopicPattern::parse(const std::string& pattern) {
    RE2::Options options;
    options.set_log_errors(false);
    auto compiled = std::make_shared<const re2::RE2>(pattern, options);
    if (!compiled->ok())
        return fail(ErrorCode::invalid_regular_expression,
                    fmt::format("The topic pattern {} is no regular expression: {}", pattern,
                                compiled->error()));
    return TopicPattern(std::move(compiled));
}

bool TopicPattern::matches(std::string_view topic) const {
    return re2::RE2::FullMatch(re2::StringPiece(topic.data(), topic.size()), *compiled_);
}

}  // namespace millrace::client
