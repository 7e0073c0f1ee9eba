#pragma once

#include <expected>
#include <string>
#include <utility>

#include "base/error_code.h"

namespace millrace {

// An expected failure: Kafka's code, and a sentence that names the thing, what was wrong with it
// and the way out.
struct Error {
    ErrorCode code = ErrorCode::unknown_server_error;
    std::string message;

    bool operator==(const Error&) const = default;
};

template <typename T = void>
using Result = std::expected<T, Error>;

// return fail(ErrorCode::invalid_config, fmt::format(...));
inline std::unexpected<Error> fail(ErrorCode code, std::string message = {}) {
    return std::unexpected<Error>(Error{code, std::move(message)});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace millrace

#define MILLRACE_CONCAT_(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_(a, b)

// Leave the function, or the coroutine, with the Error of an expression that failed.
#define RETURN_IF_ERROR(...)                                           \
    do {                                                               \
        if (auto try_result = (__VA_ARGS__); !try_result) [[unlikely]] \
            return ::millrace::fail(std::move(try_result).error());    \
    } while (false)
#define ASSIGN_OR_RETURN(declaration, ...)                                                  \
    auto MILLRACE_CONCAT(try_result_, __LINE__) = (__VA_ARGS__);                            \
    if (!MILLRACE_CONCAT(try_result_, __LINE__)) [[unlikely]]                               \
        return ::millrace::fail(std::move(MILLRACE_CONCAT(try_result_, __LINE__)).error()); \
    declaration = *std::move(MILLRACE_CONCAT(try_result_, __LINE__))
#define CO_RETURN_IF_ERROR(...)                                        \
    do {                                                               \
        if (auto try_result = (__VA_ARGS__); !try_result) [[unlikely]] \
            co_return ::millrace::fail(std::move(try_result).error()); \
    } while (false)
#define ASSIGN_OR_CO_RETURN(declaration, ...)                                                  \
    auto MILLRACE_CONCAT(try_result_, __LINE__) = (__VA_ARGS__);                               \
    if (!MILLRACE_CONCAT(try_result_, __LINE__)) [[unlikely]]                                  \
        co_return ::millrace::fail(std::move(MILLRACE_CONCAT(try_result_, __LINE__)).error()); \
    declaration = *std::move(MILLRACE_CONCAT(try_result_, __LINE__))
