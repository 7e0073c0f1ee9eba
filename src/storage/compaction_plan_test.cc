#include "storage/compaction_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace millrace::storage {
namespace {

using testing::ElementsAre;

TEST(CompactionPlan, SegmentsAreJoinedUpToTheLimitsOfOne) {
    std::vector<CompactionSource> sources;
    auto add = [&](std::uint32_t size, std::uint64_t index_bytes, Offset count) {
        Offset base = sources.empty() ? 0 : sources.back().next_base;
        sources.push_back({.base = base,
                           .next_base = base + count,
                           .size = size,
                           .offset_index_bytes = index_bytes,
                           .time_index_bytes = index_bytes / 2});
    };
    EXPECT_TRUE(group_sources(sources, {100, 100}).empty());
    add(150, 0, 10);
    add(60, 0, 10);
    add(40, 0, 10);
    add(1, 0, 10);
    EXPECT_THAT(group_sources(sources, {100, 100}), ElementsAre(1, 2, 1));
    sources.clear();
    add(1, 60, 10);
    add(1, 40, 10);
    add(1, 61, 10);
    add(1, 40, 10);
    EXPECT_THAT(group_sources(sources, {100, 100}), ElementsAre(2, 1, 1));
    sources.clear();
    constexpr Offset widest = std::numeric_limits<std::int32_t>::max();
    add(1, 0, widest);
    add(1, 0, 1);
    add(1, 0, 1);
    add(0, 0, widest);  // spans nothing
    EXPECT_THAT(group_sources(sources, {100, 100}), ElementsAre(2, 2));
}

}  // namespace
}  // namespace millrace::storage
