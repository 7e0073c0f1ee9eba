#include "config/definition.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace millrace::config {
namespace {

// Levenshtein's distance; `most` + 1 as soon as it is sure to be more than that.
std::size_t edits_between(std::string_view a, std::string_view b, std::size_t most) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
        if (*std::ranges::min_element(row) > most) return most + 1;
    }
    return row.back();
}

}  // namespace

std::string_view name_of(Type type) {
    constexpr std::string_view names[] = {"UNKNOWN", "BOOLEAN", "STRING", "INT",   "SHORT",
                                          "LONG",    "DOUBLE",  "LIST",   "CLASS", "PASSWORD"};
    return names[static_cast<std::size_t>(type)];
}

const Definition* Catalogue::find(std::string_view name) const {
    auto at = std::ranges::lower_bound(definitions_, name, {}, &Definition::name);
    return at == definitions_.end() || at->name != name ? nullptr : &*at;
}

std::string_view Catalogue::nearest(std::string_view name) const {
    constexpr std::size_t longest = 200;  // no key is nearly as long
    if (name.size() > longest) return {};
    std::size_t best = std::min<std::size_t>(name.size() / 4 + 1, 6);
    std::string_view nearest;
    for (const Definition& definition : definitions_) {
        std::size_t longer = std::max(name.size(), definition.name.size());
        if (longer - std::min(name.size(), definition.name.size()) > best) continue;
        std::size_t edits = edits_between(name, definition.name, best);
        if (edits < best || (edits == best && nearest.empty())) {
            best = edits;
            nearest = definition.name;
        }
    }
    return nearest;
}

std::string suggestion(const Catalogue& catalogue, std::string_view name) {
    std::string_view nearest = catalogue.nearest(name);
    return nearest.empty() ? "" : fmt::format(", did you mean '{}'?", nearest);
}

}  // namespace millrace::config
