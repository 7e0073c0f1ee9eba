#include "cli/topic_filter.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include "config/text.h"

namespace millrace::cli {

TopicFilter::TopicFilter(std::unique_ptr<re2::RE2> pattern) : pattern_(std::move(pattern)) {}
TopicFilter::TopicFilter(TopicFilter&&) noexcept = default;
TopicFilter& TopicFilter::operator=(TopicFilter&&) noexcept = default;
TopicFilter::~TopicFilter() = default;

Result<TopicFilter> TopicFilter::create(std::string_view text) {
    std::string pattern;
    for (char c : config::trim(text)) {
        if (c != ' ') pattern += c == ',' ? '|' : c;
    }
    constexpr std::string_view quotes = "\"'";
    pattern.erase(0, std::min(pattern.find_first_not_of(quotes), pattern.size()));
    pattern.erase(pattern.find_last_not_of(quotes) + 1);
    auto compiled = std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet);
    if (!compiled->ok()) {
        return fail(ErrorCode::invalid_request,
                    fmt::format("'{}' is no regular expression: {}", pattern, compiled->error()));
    }
    return TopicFilter(std::move(compiled));
}

bool TopicFilter::allows(std::string_view topic) const {
    return re2::RE2::FullMatch(re2::StringPiece(topic.data(), topic.size()), *pattern_);
}

std::string wrong_with_regex(std::string_view text) {
    re2::RE2 compiled(re2::StringPiece(text.data(), text.size()), re2::RE2::Quiet);
    return compiled.error();
}

bool is_internal_topic(std::string_view topic) {
    return topic == "__consumer_offsets" || topic == "__transaction_state" ||
           topic == "__share_group_state";
}

}  // namespace millrace::cli
