#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace millrace::client {

// A regular expression (RE2's syntax) that whole names of topics are held against, in linear time.
class TopicPattern {
  public:
    // INVALID_REGULAR_EXPRESSION with what is wrong with it.
    static Result<TopicPattern> parse(const std::string& pattern);
    bool matches(std::string_view topic) const;

  private:
    explicit TopicPattern(std::shared_ptr<const re2::RE2> compiled)
        : compiled_(std::move(compiled)) {}
    std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace millrace::client
