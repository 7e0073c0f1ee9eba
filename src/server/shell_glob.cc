#include "server/shell_glob.h"

#include <algorithm>
#include <optional>
#include <re2/re2.h>
#include <utility>

namespace millrace::server {
namespace {

// None where the component has nothing of a pattern, or is no valid one.
std::optional<std::string> regular_expression(std::string_view component) {
    std::string expression;
    bool literal = true;
    bool in_group = false;
    auto add = [&](char c) { expression += RE2::QuoteMeta(std::string_view(&c, 1)); };
    for (std::size_t i = 0; i < component.size(); ++i) {
        char c = component[i];
        if (c == '\\' && i + 1 < component.size()) {
            add(component[++i]);
        } else if (c == '?' || c == '*') {
            literal = false;
            expression += c == '?' ? "." : ".*";
        } else if (c == '{') {
            if (in_group) return std::nullopt;
            in_group = true;
            literal = false;
            expression += "(?:(?:";
        } else if (c == ',' && in_group) {
            expression += ")|(?:";
        } else if (c == '}' && in_group) {
            in_group = false;
            expression += "))";
        } else {
            add(c);
        }
    }
    if (literal || in_group) return std::nullopt;
    return expression;
}

void find_below(const metadata::TreeNode& node, const std::vector<std::string>& path,
                std::vector<std::string>& at, std::vector<FoundNode>& found) {
    if (at.size() == path.size()) {
        found.push_back({at, node});
        return;
    }
    if (!node.is_folder()) return;
    GlobComponent component(path[at.size()]);
    for (const metadata::TreeEntry& entry : node.entries()) {
        if (!component.matches(entry.name)) continue;
        at.push_back(entry.name);
        find_below(entry.node, path, at, found);
        at.pop_back();
        if (component.is_name()) return;
    }
}

}  // namespace

GlobComponent::GlobComponent(std::string component) : component_(std::move(component)) {
    auto expression = regular_expression(component_);
    if (!expression) return;
    RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_encoding(RE2::Options::EncodingLatin1);  // names are bytes
    pattern_ = std::make_unique<RE2>(*expression, options);
    if (!pattern_->ok()) pattern_ = nullptr;
}

GlobComponent::~GlobComponent() = default;

bool GlobComponent::matches(const std::string& name) const {
    return pattern_ == nullptr ? name == component_ : RE2::FullMatch(name, *pattern_);
}

std::vector<std::string> split_path(std::string_view path) {
    std::vector<std::string> components;
    while (!path.empty()) {
        std::size_t slash = std::min(path.find('/'), path.size());
        std::string_view component = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (component == "..") {
            if (!components.empty()) components.pop_back();
        } else if (!component.empty() && component != ".") {
            components.emplace_back(component);
        }
    }
    return components;
}

std::vector<std::string> absolute(std::string_view folder, std::string_view path) {
    if (path.starts_with('/')) return split_path(path);
    return split_path(std::string(folder) + "/" + std::string(path));
}

std::string FoundNode::whole_path() const {
    std::string text;
    for (const std::string& component : path) text += "/" + component;
    return text.empty() ? "/" : text;
}

std::vector<FoundNode> find_nodes(const metadata::TreeNode& root,
                                  const std::vector<std::string>& path) {
    std::vector<FoundNode> found;
    std::vector<std::string> at;
    find_below(root, path, at, found);
    return found;
}

}  // namespace millrace::server
