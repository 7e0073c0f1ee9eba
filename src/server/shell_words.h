#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::server {

// The words of a line as a person types it: parted by blanks but within '…' or "…", the last of
// which need not be closed. A backslash stays for patterns, but for one before a blank or a quote.
std::vector<std::string> split_words(std::string_view line);

}  // namespace millrace::server
