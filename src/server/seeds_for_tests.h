#pragma once

#include <cstdint>
#include <cstdlib>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>

namespace millrace::server {

// Runs `trial(seed)` for seeds 1 to `count`, until one fails. MILLRACE_SEED is another first seed,
// and then one is run unless MILLRACE_SEEDS says how many. Returns how many were run.
inline std::uint64_t for_seeds(std::uint64_t count,
                               const std::function<void(std::uint64_t)>& trial) {
    std::uint64_t first = 1;
    if (const char* seed = std::getenv("MILLRACE_SEED")) {
        first = std::strtoull(seed, nullptr, 10);
        count = 1;
    }
    if (const char* seeds = std::getenv("MILLRACE_SEEDS")) {
        count = std::strtoull(seeds, nullptr, 10);
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        SCOPED_TRACE(fmt::format("MILLRACE_SEED={}", first + i));
        trial(first + i);
        if (testing::Test::HasFailure()) return i + 1;
    }
    return count;
}

}  // namespace millrace::server
