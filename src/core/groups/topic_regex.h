#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "core/groups/consumer_records.h"
#include "core/metadata/image.h"

namespace millrace::groups {

// Error invalid_regular_expression names the expression and what is wrong in it (RE2's syntax).
Result<> check_regex(const std::string& regex);
// The topics whose whole names the expressions match; none for an expression that is none.
std::map<std::string, ResolvedRegex> resolve_regexes(const std::set<std::string>& regexes,
                                                     const metadata::Image& image, Timestamp now);

}  // namespace millrace::groups
