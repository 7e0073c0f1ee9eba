#include "config/definition.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/edit_distance.h"

namespace millrace::config {

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
        std::size_t edits = edit_distance(name, definition.name, best);
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
