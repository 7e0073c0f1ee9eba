#include "cli/nearest.h"

#include <algorithm>

#include "base/edit_distance.h"

namespace millrace::cli {

std::optional<std::string_view> nearest_of(std::string_view word,
                                           std::span<const std::string_view> words) {
    constexpr std::size_t longest = 64;  // the command line may bring anything
    if (word.empty() || word.size() > longest) return std::nullopt;
    std::optional<std::string_view> nearest;
    // Two letters that changed places are two edits.
    std::size_t most = word.size() < 4 ? 1 : std::max<std::size_t>(2, word.size() / 3);
    std::size_t least = most + 1;
    for (std::string_view candidate : words) {
        std::size_t far = edit_distance(word, candidate, most);
        if (candidate.starts_with(word)) far = std::min<std::size_t>(far, 1);
        if (far < least) {
            least = far;
            nearest = candidate;
        }
    }
    return nearest;
}

}  // namespace millrace::cli
