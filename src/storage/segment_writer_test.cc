#include "storage/segment_writer.h"

#include <gtest/gtest.h>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/file_names.h"
#include "storage/keyed_batches_for_tests.h"

namespace millrace::storage {
namespace {

TEST(SegmentWriter, WritesASegmentWithItsIndexes) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    auto main = [&](env::Shard& here) -> Task<int> {
        env::Disk& disk = here.disk();
        EXPECT_TRUE(disk.make_directories("/d"));
        EXPECT_TRUE(disk.sync_directory("/"));
        auto writer = SegmentWriter::create(disk, "/d", 10, here.wall_ms(), 0);
        EXPECT_TRUE(writer);
        Slice first = keyed_batch({{"a", "1"}}, {.base_offset = 10}, 1'000);
        Slice second = keyed_batch({{"b", "1"}, {"c", "1"}}, {.base_offset = 13}, 2'000);
        Slice emptied = keyed_batch({{"d", "1"}}, {.base_offset = 20}, 9'000);
        EXPECT_TRUE(writer->add(BatchView::trusted(first)));
        EXPECT_TRUE(writer->add(BatchView::trusted(second)));
        EXPECT_EQ(writer->flush(), first.size() + second.size());
        EXPECT_TRUE(writer->add(empty_batch_like(BatchView::trusted(emptied))));
        auto segment = writer->finish({{.producer_id = 3, .first_offset = 11, .last_offset = 12}});
        EXPECT_TRUE(segment);
        if (!segment) co_return 1;
        // From here on names change: a power cut must not leave one of them alone.
        for (const std::string& path : (*segment)->paths()) {
            EXPECT_TRUE(node.disk().everything_durable(path)) << path;
        }
        EXPECT_TRUE(disk.exists("/d/00000000000000000010.log.cleaned"));
        EXPECT_TRUE((*segment)->rename_files(""));
        EXPECT_TRUE(disk.exists("/d/00000000000000000010.txnindex"));
        EXPECT_FALSE(disk.exists("/d/00000000000000000010.log.cleaned"));
        PageAccess access;
        EXPECT_EQ((*segment)->find(11, access)->value().base_offset, 13);
        EXPECT_EQ((*segment)->find(15, access)->value().base_offset, 20);
        // An empty batch has no records to be found by time.
        EXPECT_EQ((*segment)->max_timestamp(), (TimeIndex::Entry{2'001, 14}));
        EXPECT_EQ((*segment)->transactions().entries().value()->size(), 1U);
        remove_files(disk, **segment);
        EXPECT_TRUE(disk.list("/d")->empty());
        co_return 0;
    };
    EXPECT_EQ(world.run(node, main), 0);
}

}  // namespace
}  // namespace millrace::storage
