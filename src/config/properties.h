#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::config {

struct Property {
    std::string key;
    std::string value;
    int line = 0;  // where its logical line begins, from 1; 0: not from a file
};

// A file as java.util.Properties reads it (comments, continued lines, `=`, `:` or blanks between
// key and value, escapes), but for bytes above 127, which are kept: UTF-8 stays UTF-8 where Java
// would take Latin-1. Also what --command-config files of the tools hold.
class Properties {
  public:
    // Error invalid_config with the line of a malformed \uXXXX.
    static Result<Properties> parse(std::string_view text);

    const std::vector<Property>& all() const { return properties_; }  // in the file's order
    // The last one of this key, which is the one that counts; nullptr: not there.
    const Property* find(std::string_view key) const;
    std::string_view get(std::string_view key, std::string_view otherwise = {}) const;
    void set(std::string key, std::string value, int line = 0) {
        properties_.push_back({std::move(key), std::move(value), line});
    }

  private:
    std::vector<Property> properties_;
};

// "KEY=VALUE" of a command line, blanks around both cut off. Error invalid_config without a `=`
// or a key.
Result<Property> parse_assignment(std::string_view text);

}  // namespace millrace::config
