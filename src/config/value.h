#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "config/definition.h"

namespace millrace::config {

// A value by its type: BOOLEAN; INT, SHORT and LONG; DOUBLE; STRING, CLASS and PASSWORD; LIST.
// std::monostate is null.
using Value =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

// Configs of a resource as text, by name.
using ConfigMap = std::map<std::string, std::string, std::less<>>;

// Error invalid_config with the key, the value and what is allowed. A password takes any text, so
// that none gets into an Error.
Result<Value> parse_value(const Definition& definition, std::string_view text);

// The default, null where there is none.
Value default_value(const Definition& definition);

// As DescribeConfigs gives it: lists joined by commas, doubles as Java writes them; none for null.
std::optional<std::string> to_text(const Value& value);
std::string to_text(double number);

// "a whole number of 32 bits, 1 or more": what a value of this key may be.
std::string allowed(const Definition& definition);

// "a, b ,c" to {"a", "b", "c"}; "" to {}.
std::vector<std::string> split_list(std::string_view text);

}  // namespace millrace::config
