#pragma once

#include <cstdint>

namespace millrace::env::posix {

// What the kernel says of this process.
struct ProcessUsage {
    double cpu_seconds = 0;    // user and system
    double start_seconds = 0;  // since 1970
    std::uint64_t open_files = 0;
    std::uint64_t most_open_files = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t resident_bytes = 0;
};
ProcessUsage process_usage();

}  // namespace millrace::env::posix
