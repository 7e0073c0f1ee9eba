#pragma once

#include <string>
#include <string_view>

// Small judgements about text that the parsers of this room share.
namespace millrace::config {

// Without blanks and control characters at both ends, as Java trims.
std::string_view trim(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
bool is_digits(std::string_view text);  // one at least
// PnDTnHnMn.nS, not negative.
bool is_iso_duration(std::string_view text);
// Brackets are closed, escapes complete, and repetition has something to repeat.
bool is_balanced_regex(std::string_view text);

}  // namespace millrace::config
