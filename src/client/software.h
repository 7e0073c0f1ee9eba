#pragma once

#include <string_view>

namespace millrace::client {

// What brokers are told of who speaks to them (KIP-511).
inline constexpr std::string_view software_name = "millrace";
inline constexpr std::string_view software_version = "0.1.0";

}  // namespace millrace::client
