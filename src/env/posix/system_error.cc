#include "env/posix/system_error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/core.h>

namespace millrace::env::posix {
namespace {

std::string sentence(std::string_view what, int error_number) {
    char buffer[128];
    return fmt::format("{}: {}", what, strerror_r(error_number, buffer, sizeof buffer));
}

}  // namespace

std::unexpected<Error> storage_failure(std::string_view what, int error_number) {
    return fail(ErrorCode::kafka_storage_error, sentence(what, error_number));
}

std::unexpected<Error> network_failure(std::string_view what, int error_number) {
    return fail(ErrorCode::network_exception, sentence(what, error_number));
}

void require(bool succeeded, const char* what) {
    if (succeeded) return;
    std::perror(what);
    std::abort();
}

}  // namespace millrace::env::posix
