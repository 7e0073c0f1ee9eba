#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definition.h"
#include "config/value.h"

// What topics and groups have in common: values of their own over a broker's.
namespace millrace::config {

class BrokerConfig;

// What a broker gives a key that is not set on the resource: its first supplier that is set, or
// the default.
Value supplied_value(const Definition& definition, const BrokerConfig& broker);

// One value per key of the catalogue; an own value that is not valid counts as not set.
std::vector<Value> supplied_values(const Catalogue& catalogue, const BrokerConfig& broker,
                                   const ConfigMap& own);

// Error invalid_config; `kind` names the resource in the sentence.
Result<> check_names_and_values(const Catalogue& catalogue, std::string_view kind,
                                const ConfigMap& own);

}  // namespace millrace::config
