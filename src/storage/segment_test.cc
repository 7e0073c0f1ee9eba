#include "storage/segment.h"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/posix/disk.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

// On the file system of the temporary folder: on ext4 a growing segment takes more than it holds.
class SegmentRoom : public testing::Test {
  protected:
    SegmentRoom() { std::filesystem::create_directories(directory_); }
    ~SegmentRoom() override { std::filesystem::remove_all(directory_); }

    static std::uint64_t taken_by(const std::string& path) {
        struct stat status{};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        return static_cast<std::uint64_t>(status.st_blocks) * 512;
    }

    const std::string directory_ =
        fmt::format("{}millrace-segment-room-{}", testing::TempDir(), ::getpid());
    env::posix::Disk disk_;
};

TEST_F(SegmentRoom, IsAnEighthAtMostAndGoesWithTheEndOfTheSegment) {
    auto segment = Segment::create(disk_, directory_, 0, 1'000);
    ASSERT_TRUE(segment);
    std::string path = (*segment)->path(".log");
    std::int64_t offset = 0;
    for (int i = 0; i < 200; ++i) {
        Slice batch = make_batch({.value_size = 50'000, .base_offset = offset++});
        ASSERT_TRUE((*segment)->add(BatchView::trusted(batch), 4096));
        Bytes bytes = batch.bytes();
        ASSERT_TRUE((*segment)->write({&bytes, 1}));
        std::uint64_t size = (*segment)->size();
        ASSERT_EQ(std::filesystem::file_size(path), size);
        // Blocks, and those of the extents' tree.
        ASSERT_LE(taken_by(path), size + std::min<std::uint64_t>(size / 8, 1 << 20) + (1 << 16));
    }
    std::uint64_t size = (*segment)->size();
    ASSERT_TRUE((*segment)->seal());
    EXPECT_EQ(std::filesystem::file_size(path), size);
    EXPECT_LE(taken_by(path), size + (1 << 16));
}

}  // namespace
}  // namespace millrace::storage
