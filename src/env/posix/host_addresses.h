#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::env::posix {

// The addresses of a host, at least one, those of IPv4 first, as Java prefers them. Blocks.
// network_exception: the host is not known.
Result<std::vector<std::string>> addresses_of(const std::string& host);

}  // namespace millrace::env::posix
