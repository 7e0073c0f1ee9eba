#pragma once

#include <string_view>

namespace millrace::server {

inline constexpr std::string_view version = MILLRACE_VERSION;
// What it is compatible with.
inline constexpr std::string_view kafka_version = "4.3.1";

}  // namespace millrace::server
