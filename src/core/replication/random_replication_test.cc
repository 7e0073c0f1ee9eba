// The laws of replication under seeds. MILLRACE_SEEDS asks for more, from MILLRACE_SEED on.
#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/replication/random_replicas_for_tests.h"

namespace millrace::replication {
namespace {

TEST(RandomReplication, KeepsTheLaws) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t seeds = wanted == nullptr ? 200 : std::strtoull(wanted, nullptr, 10);
    const char* begin = std::getenv("MILLRACE_SEED");
    std::uint64_t first = begin == nullptr ? 1 : std::strtoull(begin, nullptr, 10);
    std::size_t committed = 0;
    for (std::uint64_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
        SCOPED_TRACE(fmt::format("MILLRACE_SEED={}", seed));
        Play play(seed, seed % 2 == 0 ? 1 : 2);
        play.run(3'000);
        play.heal();
        EXPECT_EQ(play.broken(), "");
        committed += play.committed();
    }
    EXPECT_GT(committed, seeds * 20) << "too little was committed to show anything";
}

}  // namespace
}  // namespace millrace::replication
