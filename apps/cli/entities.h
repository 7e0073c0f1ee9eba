#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/properties.h"

namespace millrace::cli {

class Arguments;

// What kafka-configs works on: "topics" and a name, "users" and "clients" together, … A name that
// is empty is the default entity; names may be fewer than types where everything of the type is
// meant.
struct Entities {
    std::vector<std::string> types;
    std::vector<std::string> names;

    bool is_of(std::string_view type) const;
    const std::string& type() const { return types.front(); }
};

// From --entity-type, --entity-name, --entity-default in their order, or --topic, --user-defaults
// and the like; checked as kafka-configs checks them.
Result<Entities> read_entities(const Arguments& arguments);

// --add-config "k1=v1,k2=[v1,v2]" as properties: a comma in brackets belongs to a value, the
// brackets do not.
Result<std::vector<config::Property>> parse_added_configs(std::string_view text);
// Keys may hold letters, digits, '.', '_', '-' and '$' (names of loggers).
Result<> check_config_keys(const std::vector<config::Property>& configs);

}  // namespace millrace::cli
