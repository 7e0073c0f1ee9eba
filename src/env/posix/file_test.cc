#include "env/posix/file.h"

#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <vector>

#include "env/posix/disk.h"
#include "env/posix/world.h"

namespace millrace::env::posix {
namespace {

class PosixFile : public testing::Test {
  protected:
    ~PosixFile() override { std::filesystem::remove(path_); }

    std::shared_ptr<env::File> open() {
        auto file = Disk().open(path_, {.write = true, .create = true});
        EXPECT_TRUE(file);
        return *file;
    }
    const std::string path_ = testing::TempDir() + "millrace-file-test-" + std::to_string(getpid());
};

TEST_F(PosixFile, AFullDeviceFailsTheWrite) {
    auto full = Disk().open("/dev/full", {.write = true});
    ASSERT_TRUE(full);
    Result<> written = (*full)->write(0, as_bytes("x"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kafka_storage_error);
    EXPECT_EQ(written.error().message, "writing at 0 of /dev/full: No space left on device");
}

// As on a disk that fills up in the middle of a write: a part is there, and the process lives.
TEST_F(PosixFile, AWriteThatOnlyFitsInPartFailsAndLeavesAPart) {
    World world({.shards = 1, .timestamp_log = false});
    world.run([&](Shard&) -> Task<int> {
        auto file = open();
        rlimit before{};
        getrlimit(RLIMIT_FSIZE, &before);
        rlimit small = before;
        small.rlim_cur = 1000;
        setrlimit(RLIMIT_FSIZE, &small);
        std::string text(600, 'x');
        std::vector<Bytes> pieces(3, as_bytes(text));
        Result<> written = file->write(0, pieces);
        setrlimit(RLIMIT_FSIZE, &before);
        EXPECT_FALSE(written);
        EXPECT_TRUE(!written && written.error().message.ends_with("File too large"));
        EXPECT_EQ(file->size(), 1000U);
        co_return 0;
    });
}

// Bytes that the file takes of its device.
std::uint64_t taken_by(const std::shared_ptr<env::File>& file) {
    struct stat status{};
    EXPECT_EQ(::fstat(static_cast<File&>(*file).fd(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

TEST_F(PosixFile, WhatIsReservedIsNoContentAndIsGivenBack) {
    auto file = open();
    ASSERT_TRUE(file->write(0, as_bytes("abc")));
    file->reserve(3, 1 << 20);
    EXPECT_EQ(file->size(), 3U);
    struct statfs system{};
    ASSERT_EQ(::statfs(path_.c_str(), &system), 0);
    if (system.f_type == EXT4_SUPER_MAGIC) EXPECT_GE(taken_by(file), 1U << 20);
    ASSERT_TRUE(file->write(3, as_bytes("def")));
    ASSERT_TRUE(file->truncate(6));
    Disk disk;
    EXPECT_EQ(read_file(disk, path_), "abcdef");
    EXPECT_LT(taken_by(file), 1U << 18);
}

TEST_F(PosixFile, MorePiecesThanOneSystemCallTakes) {
    auto file = open();
    std::string text(5000, ' ');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
    std::vector<Bytes> pieces;
    for (std::size_t i = 0; i < text.size(); ++i) pieces.push_back(as_bytes(text).subspan(i, 1));
    ASSERT_TRUE(file->write(0, pieces));
    Disk disk;
    EXPECT_EQ(read_file(disk, path_), text);
}

TEST_F(PosixFile, WhatIsNotInMemoryIsToldApartAndReadAside) {
    World world({.shards = 1, .timestamp_log = false});
    world.run([&](Shard&) -> Task<int> {
        auto file = open();
        std::string text(1 << 20, 'd');
        EXPECT_TRUE(file->write(0, as_bytes(text)));
        EXPECT_TRUE(co_await file->sync());
        auto& posix_file = static_cast<File&>(*file);
        EXPECT_TRUE(posix_file.seems_cached(0, text.size()));
        std::vector<std::uint8_t> into(text.size());
        bool cached = false;
        EXPECT_EQ(file->read_cached(0, into, cached), text.size());
        EXPECT_TRUE(cached);
        posix_fadvise(posix_file.fd(), 0, 0, POSIX_FADV_DONTNEED);
        // A file system in memory keeps it all.
        if (!posix_file.seems_cached(0, text.size())) {
            Result<std::size_t> count = file->read_cached(0, into, cached);
            EXPECT_FALSE(cached);
            EXPECT_TRUE(count && *count < text.size());
        }
        into.assign(into.size(), 0);
        EXPECT_EQ(co_await file->read_cold(0, into), text.size());
        EXPECT_TRUE(as_string(into) == text);
        EXPECT_EQ(file->read_cached(0, into, cached), text.size());
        EXPECT_TRUE(cached);
        co_return 0;
    });
}

TEST_F(PosixFile, IsBroughtIntoMemoryUpToItsEnd) {
    auto file = open();
    std::string text(1 << 20, 'd');
    ASSERT_TRUE(file->write(0, as_bytes(text)));
    ASSERT_TRUE(file->sync_now());
    auto& posix_file = static_cast<File&>(*file);
    posix_fadvise(posix_file.fd(), 0, 0, POSIX_FADV_DONTNEED);
    EXPECT_TRUE(posix_file.bring_in(1000, 2 * text.size()));
    EXPECT_TRUE(posix_file.seems_cached(1000, text.size() - 1000));
    std::vector<std::uint8_t> into(text.size() - 4096);
    bool cached = false;
    EXPECT_EQ(file->read_cached(4096, into, cached), into.size());
    EXPECT_TRUE(cached);
}

// However far the kernel would read ahead on this device.
TEST_F(PosixFile, LittleMoreIsBroughtInThanWhatIsAskedFor) {
    constexpr std::uint64_t step = 64 << 10;
    auto file = open();
    std::string text(8 << 20, 'e');
    ASSERT_TRUE(file->write(0, as_bytes(text)));
    ASSERT_TRUE(file->sync_now());
    auto& posix_file = static_cast<File&>(*file);
    posix_fadvise(posix_file.fd(), 0, 0, POSIX_FADV_DONTNEED);
    if (posix_file.seems_cached(0, text.size())) GTEST_SKIP() << "a file system in memory";
    for (std::uint64_t at = 0; at < text.size() / 4; at += step) {
        EXPECT_TRUE(posix_file.bring_in(at, step));
        std::uint8_t byte;
        bool cached = false;
        EXPECT_EQ(file->read_cached(at, MutableBytes(&byte, 1), cached), 1);
        EXPECT_FALSE(posix_file.seems_cached(at + (1 << 20), step));
    }
}

TEST_F(PosixFile, ADirectoryCannotBeBroughtIn) {
    File directory(Descriptor(::open("/", O_RDONLY | O_DIRECTORY)), "/");
    Result<> moved = directory.bring_in(0, 1000);
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, ErrorCode::kafka_storage_error);
}

// Many syncs at once leave a helper thread for what is brief.
TEST_F(PosixFile, SyncsOfManyFilesEndAll) {
    World world({.shards = 2, .helper_threads = 2, .timestamp_log = false});
    world.run([&](Shard& here) -> Task<int> {
        auto file = open();
        int synced = 0;
        auto sync = [&](env::File& f, std::uint64_t at) -> Task<void> {
            EXPECT_TRUE(f.write(at, as_bytes("x")));
            if (co_await f.sync()) ++synced;
        };
        Scope scope(here);
        for (std::uint64_t i = 0; i < 50; ++i) scope.spawn(sync(*file, i));
        int blocked = 0;
        co_await blocking(here, [&] { ++blocked; });
        co_await scope.join();
        EXPECT_EQ(synced, 50);
        EXPECT_EQ(blocked, 1);
        co_return 0;
    });
}

}  // namespace
}  // namespace millrace::env::posix
