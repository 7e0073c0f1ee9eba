#include "client/partitioner.h"

#include <gtest/gtest.h>
#include <set>

#include "base/murmur2.h"
#include "base/random.h"
#include "client/recorded_for_tests.h"

namespace millrace::client {
namespace {

TEST(Partitioner, HashesAsJavaDoes) {
    auto lines = recorded("murmur2");
    ASSERT_GE(lines.size(), 10U);
    for (const auto& line : lines) {
        std::string key = unhex(line[1]);
        EXPECT_EQ(static_cast<std::int32_t>(murmur2(as_bytes(key))), std::stoi(line[2])) << line[1];
        EXPECT_EQ(partition_of_key(as_bytes(key), 7), std::stoi(line[3])) << line[1];
    }
}

TEST(Partitioner, StaysWithOnePartitionForABatch) {
    Random random(1);
    StickyPartition sticky;
    std::vector<std::int32_t> available{0, 1, 2, 3, 4};
    std::int32_t first = sticky.choose(available, 5, random);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(sticky.choose(available, 5, random), first);
        sticky.appended(100, false, 1000);
    }
    // The batch's worth is there, but a half-full batch waits: up to twice as much.
    EXPECT_EQ(sticky.choose(available, 5, random), first);
    sticky.appended(100, true, 1000);
    std::set<std::int32_t> seen;
    for (int i = 0; i < 100; ++i) {
        seen.insert(sticky.choose(available, 5, random));
        sticky.appended(2000, false, 1000);
    }
    EXPECT_EQ(seen.size(), 5U);
}

TEST(Partitioner, PassesOverPartitionsWithoutALeader) {
    Random random(2);
    StickyPartition sticky;
    std::vector<std::int32_t> available{3};
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(sticky.choose(available, 8, random), 3);
        sticky.appended(2000, true, 1000);
    }
    // Without any leader every partition will do.
    sticky.forget();
    std::int32_t chosen = sticky.choose({}, 8, random);
    EXPECT_GE(chosen, 0);
    EXPECT_LT(chosen, 8);
}

}  // namespace
}  // namespace millrace::client
