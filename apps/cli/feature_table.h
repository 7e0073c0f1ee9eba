#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::cli {

class Arguments;
class Output;

struct FeatureAndLevel {
    std::string name;
    std::int16_t level = 0;
};
// "group.version=1"
Result<FeatureAndLevel> parse_feature(std::string_view text);

// What the features tool knows without a cluster: the levels of --release-version, and what the
// levels of --feature need.
Result<> print_version_mapping(const Arguments& arguments, Output& output);
Result<> print_feature_dependencies(const Arguments& arguments, Output& output);

}  // namespace millrace::cli
