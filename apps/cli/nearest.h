#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace millrace::cli {

// The word that was probably meant; nothing when none of them is near.
std::optional<std::string_view> nearest_of(std::string_view word,
                                           std::span<const std::string_view> words);

}  // namespace millrace::cli
