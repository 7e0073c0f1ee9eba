#pragma once

// CHECK(condition): a bug stops the process, in release builds too. Never on bytes that came from
// disk or network: those get an Error.

namespace millrace {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace millrace

#define CHECK(condition)                                              \
    do {                                                              \
        if (!(condition)) [[unlikely]]                                \
            ::millrace::check_failed(#condition, __FILE__, __LINE__); \
    } while (false)
