#include "storage/remote/object_store.h"

#include <fmt/core.h>

namespace millrace::storage::remote {
namespace {

constexpr std::size_t longest_key = 1024;

bool is_name(std::string_view name) {
    constexpr std::string_view allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name != "." && name != ".." &&
           name.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

Result<> check_key(std::string_view key) {
    bool good = key.size() <= longest_key;
    std::string_view rest = key;
    while (good) {
        std::size_t slash = rest.find('/');
        good = is_name(rest.substr(0, slash));
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    if (good) return {};
    return fail(
        ErrorCode::invalid_request,
        fmt::format("'{}' is no name of an object: it takes names of letters, digits, dots, "
                    "underscores and hyphens, joined by slashes, {} bytes at most",
                    key, longest_key));
}

}  // namespace millrace::storage::remote
