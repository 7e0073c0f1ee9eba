#pragma once

#include <cstddef>
#include <string_view>

namespace millrace {

// Levenshtein's distance; `most` + 1 as soon as it is sure to be more than that.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t most);

}  // namespace millrace
