#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>

namespace millrace::groups {

// A tombstone changes a group that is there, and makes none. Changes that are tombstones say so.
template <typename Change>
bool is_tombstone(const Change& change) {
    return std::visit([]<typename T>(const T&) { return requires { typename T::is_tombstone; }; },
                      change);
}

template <typename Group>
const Group* find_group(const std::map<std::string, Group>& groups, const std::string& id) {
    auto found = groups.find(id);
    return found == groups.end() ? nullptr : &found->second;
}

// The group that a record of it is about; made by the first that is no tombstone, else null.
template <typename Group, typename Change>
Group* group_of(std::map<std::string, Group>& groups, const std::string& id, const Change& change) {
    auto found = groups.find(id);
    if (found != groups.end()) return &found->second;
    if (is_tombstone(change)) return nullptr;
    return &groups.emplace(id, Group(id)).first->second;
}

}  // namespace millrace::groups
