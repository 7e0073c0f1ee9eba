#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace millrace::cli {

// Topics by a regular expression over the whole name (RE2's syntax), as Kafka's tools take one:
// a comma is an alternative, blanks and quotes around it say nothing.
class TopicFilter {
  public:
    static Result<TopicFilter> create(std::string_view text);
    TopicFilter(TopicFilter&&) noexcept;
    TopicFilter& operator=(TopicFilter&&) noexcept;
    ~TopicFilter();

    bool allows(std::string_view topic) const;

  private:
    explicit TopicFilter(std::unique_ptr<re2::RE2> pattern);
    std::unique_ptr<re2::RE2> pattern_;
};

// What is wrong with a regular expression, in RE2's words; empty: nothing.
std::string wrong_with_regex(std::string_view text);

// The topics that brokers keep for themselves.
bool is_internal_topic(std::string_view topic);

}  // namespace millrace::cli
