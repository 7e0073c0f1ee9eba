#include "cli/nearest.h"

#include <algorithm>
#include <vector>

namespace millrace::cli {

namespace {

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t above = row[j];
            std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above + 1, row[j - 1] + 1, replaced});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::optional<std::string_view> nearest_of(std::string_view word,
                                           std::span<const std::string_view> words) {
    constexpr std::size_t longest = 64;  // the command line may bring anything
    if (word.empty() || word.size() > longest) return std::nullopt;
    std::optional<std::string_view> nearest;
    // Two letters that changed places are two edits.
    std::size_t most = word.size() < 4 ? 1 : std::max<std::size_t>(2, word.size() / 3);
    std::size_t least = most + 1;
    for (std::string_view candidate : words) {
        std::size_t far = distance(word, candidate);
        if (candidate.starts_with(word)) far = std::min<std::size_t>(far, 1);
        if (far < least) {
            least = far;
            nearest = candidate;
        }
    }
    return nearest;
}

}  // namespace millrace::cli
