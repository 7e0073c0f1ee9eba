// When a log begins a new segment for what its indexes can hold.

#include <gtest/gtest.h>
#include <limits>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

constexpr Offset widest = std::numeric_limits<std::int32_t>::max();

// A follower takes offsets as they come: those of a compacted log leap.
TEST(LogRoll, ASegmentReachesAsFarAsItsIndexesCanCount) {
    env::sim::World world(9);
    env::sim::Node& node = world.add_node("node");
    EXPECT_TRUE(node.disk().make_directories("/d"));
    auto segments_with = [&](Offset second) {
        std::size_t count = 0;
        int code = world.run(node, [&](env::Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, {.path = "/d/t-" + std::to_string(second)});
            EXPECT_TRUE((*log)->append_as_follower(make_batch({.base_offset = 0})));
            EXPECT_TRUE((*log)->append_as_follower(make_batch({.base_offset = second})));
            EXPECT_TRUE(co_await (*log)->durable(second + 1));
            count = (*log)->segment_count();
            // Named after the end of the one before, as long as it can count from there.
            Offset base = second - 1 > widest ? second : 1;
            EXPECT_EQ((*log)->active_segment_base(), count == 1 ? 0 : base);
            for (Offset offset : {Offset{0}, Offset{1}, second}) {
                auto read = (*log)->load({.offset = offset, .upper_bound = second + 1});
                EXPECT_TRUE(read && !read->empty());
                if (!read || read->empty()) continue;
                EXPECT_EQ(BatchView::trusted(*read).base_offset(), offset == 0 ? 0 : second);
            }
            EXPECT_TRUE(co_await (*log)->close());
            co_return 0;
        });
        EXPECT_EQ(code, 0);
        return count;
    };
    EXPECT_EQ(segments_with(widest), 1U);
    EXPECT_EQ(segments_with(widest + 1), 2U);
    EXPECT_EQ(segments_with(3 * widest), 2U);
}

}  // namespace
}  // namespace millrace::storage
