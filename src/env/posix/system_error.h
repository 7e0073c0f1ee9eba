#pragma once

#include <string_view>

#include "base/result.h"

namespace millrace::env::posix {

// "what: reason of the system", as an expected failure.
std::unexpected<Error> storage_failure(std::string_view what, int error_number);
std::unexpected<Error> network_failure(std::string_view what, int error_number);

// For calls that cannot fail but by a bug or an exhausted machine (epoll_create, eventfd).
void require(bool succeeded, const char* what);

}  // namespace millrace::env::posix
