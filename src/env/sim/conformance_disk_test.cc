#include <string>
#include <vector>

#include "env/sim/conformance_for_tests.h"

namespace millrace::env::conformance {
namespace {

class DiskConformance : public Conformance {};
MILLRACE_RUN_IN_BOTH_WORLDS(DiskConformance);

std::string content_of(Disk& disk, std::string_view path) {
    Result<std::string> content = read_file(disk, path);
    return content ? *content : "error: " + content.error().message;
}

// That it failed, as a storage error that names the path and the reason.
template <typename T>
void expect_failure(const Result<T>& result, std::string_view path, std::string_view reason) {
    ASSERT_FALSE(result) << path << " " << reason;
    EXPECT_EQ(result.error().code, ErrorCode::kafka_storage_error);
    EXPECT_TRUE(result.error().message.contains(path)) << result.error().message;
    EXPECT_TRUE(result.error().message.contains(reason)) << result.error().message;
}

TEST_P(DiskConformance, OpeningObeysItsOptions) {
    run([&](Shard& here) -> Task<void> {
        Disk& disk = here.disk();
        std::string name = path("file");
        expect_failure(disk.open(name, {}), name, "No such file or directory");
        expect_failure(disk.open(name, {.write = true}), name, "No such file or directory");
        auto made = disk.open(name, {.write = true, .create = true, .exclusive = true});
        CO_ASSERT(made);
        EXPECT_TRUE((*made)->write(0, as_bytes("hello")));
        expect_failure(disk.open(name, {.write = true, .create = true, .exclusive = true}), name,
                       "File exists");
        CO_ASSERT(disk.open(name, {.write = true, .create = true}));
        EXPECT_EQ(content_of(disk, name), "hello");
        CO_ASSERT(disk.open(name, {.write = true, .truncate = true}));
        EXPECT_EQ(content_of(disk, name), "");
        expect_failure(disk.open(path("none/file"), {.write = true, .create = true}),
                       path("none/file"), "No such file or directory");
        expect_failure(disk.open(name + "/file", {.write = true, .create = true}), name + "/file",
                       "Not a directory");
        expect_failure(disk.open(name + "/file", {}), name + "/file", "Not a directory");
        expect_failure(disk.open(folder(), {.write = true}), folder(), "Is a directory");
        co_return;
    });
}

TEST_P(DiskConformance, WhatWasWrittenIsReadBack) {
    run([&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        std::string big(10'000, 'x');
        std::vector<Bytes> pieces{as_bytes("ab"), as_bytes(""), as_bytes(big), as_bytes("yz")};
        EXPECT_TRUE((*file)->write(3, pieces));
        EXPECT_TRUE((*file)->write(4, as_bytes("B")));
        EXPECT_EQ((*file)->size(), 10'007U);
        std::string all = content_of(here.disk(), path("file"));
        EXPECT_EQ(all, std::string(3, '\0') + "aB" + big + "yz");
        std::vector<std::uint8_t> into(20);
        EXPECT_EQ((*file)->read(9'995, into), 12U);  // short at the end of the file
        EXPECT_EQ(as_string(into).substr(0, 12), "xxxxxxxxxxyz");
        EXPECT_EQ((*file)->read(10'007, into), 0U);
        EXPECT_EQ((*file)->read(1'000'000, into), 0U);
        EXPECT_EQ((*file)->read(0, {}), 0U);
        co_return;
    });
}

TEST_P(DiskConformance, ManyPiecesAreOneWrite) {
    run([&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        std::vector<std::string> texts;
        std::vector<Bytes> pieces;
        std::string all;
        for (int i = 0; i < 3000; ++i) texts.push_back(i % 5 == 0 ? "" : std::to_string(i));
        for (const std::string& each : texts) {
            pieces.push_back(as_bytes(each));
            all += each;
        }
        EXPECT_TRUE((*file)->write(0, pieces));
        EXPECT_EQ(content_of(here.disk(), path("file")), all);
        std::vector<Bytes> empty(10);
        EXPECT_TRUE((*file)->write(1 << 20, empty));
        EXPECT_TRUE((*file)->write(1 << 20, std::span<const Bytes>()));
        EXPECT_EQ((*file)->size(), all.size());
        co_return;
    });
}

TEST_P(DiskConformance, ATruncatedFileGrowsWithZeros) {
    run([&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        EXPECT_TRUE((*file)->write(0, as_bytes("abcdef")));
        EXPECT_TRUE((*file)->truncate(3));
        EXPECT_EQ((*file)->size(), 3U);
        EXPECT_TRUE((*file)->truncate(5));
        EXPECT_EQ(content_of(here.disk(), path("file")), std::string("abc\0\0", 5));
        auto reader = here.disk().open(path("file"), {});
        CO_ASSERT(reader);
        expect_failure((*reader)->truncate(0), path("file"), "Invalid argument");
        expect_failure((*reader)->write(0, as_bytes("x")), path("file"), "Bad file descriptor");
        co_return;
    });
}

TEST_P(DiskConformance, FilesAreReadAndSyncedAside) {
    run([&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        std::string text(100'000, 't');
        EXPECT_TRUE((*file)->write(0, as_bytes(text)));
        EXPECT_TRUE(co_await (*file)->sync());
        EXPECT_TRUE((*file)->sync_now());
        std::vector<std::uint8_t> into(text.size() + 10);
        EXPECT_EQ(co_await (*file)->read_cold(0, into), text.size());
        EXPECT_EQ(as_string(into).substr(0, text.size()), text);
        // From memory: all of it in the end, whatever the world finds there at once.
        std::size_t filled = 0;
        while (filled < text.size()) {
            bool cached = false;
            auto part = MutableBytes(into).subspan(filled, text.size() - filled);
            Result<std::size_t> count = (*file)->read_cached(filled, part, cached);
            CO_ASSERT(count);
            EXPECT_TRUE(cached ? *count == part.size() : *count < part.size());
            filled += *count;
            if (!cached) {
                auto rest = MutableBytes(into).subspan(filled, 1);
                EXPECT_EQ(co_await (*file)->read_cold(filled, rest), 1U);
                ++filled;
            }
        }
        EXPECT_EQ(as_string(into).substr(0, text.size()), text);
    });
}

TEST_P(DiskConformance, ASyncThatHasBegunHandsOverItsResultToACancelledCaller) {
    run([&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        EXPECT_TRUE((*file)->write(0, as_bytes("abc")));
        int synced = 0;
        auto body = [&](File& f) -> Task<void> {
            if (co_await f.sync()) ++synced;
        };
        Scope scope(here);
        scope.spawn(body(**file));
        co_await scope.close();
        EXPECT_EQ(synced, 1);
        // A sync that has not begun says nothing of the file.
        Cancellation cancelled(here);
        cancelled.request();
        bool thrown = false;
        try {
            co_await body(**file).under(cancelled);
        } catch (const Cancelled&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(synced, 1);
    });
}

TEST_P(DiskConformance, ARenamedFileReplacesAnotherAndStaysOpen) {
    run([&](Shard& here) -> Task<void> {
        Disk& disk = here.disk();
        EXPECT_TRUE(replace_file(disk, path("a"), "A"));
        EXPECT_TRUE(replace_file(disk, path("b"), "B"));
        auto open_a = disk.open(path("a"), {.write = true});
        auto open_b = disk.open(path("b"), {});
        CO_ASSERT(open_a && open_b);
        EXPECT_TRUE(disk.rename(path("a"), path("b")));
        EXPECT_FALSE(disk.exists(path("a")));
        EXPECT_EQ(content_of(disk, path("b")), "A");
        EXPECT_TRUE((*open_a)->write(1, as_bytes("!")));
        EXPECT_EQ(content_of(disk, path("b")), "A!");
        std::uint8_t byte = 0;
        EXPECT_EQ((*open_b)->read(0, {&byte, 1}), 1U);  // what was replaced is still there
        EXPECT_EQ(byte, 'B');
        expect_failure(disk.rename(path("a"), path("c")), path("a"), "No such file or directory");
        expect_failure(disk.rename(path("b"), path("none/c")), path("none/c"),
                       "No such file or directory");
        co_return;
    });
}

TEST_P(DiskConformance, DirectoriesAreMadeListedRenamedAndRemoved) {
    run([&](Shard& here) -> Task<void> {
        Disk& disk = here.disk();
        EXPECT_TRUE(disk.make_directories(path("d/e/f")));
        EXPECT_TRUE(disk.make_directories(path("d/e")));
        for (std::string_view name : {"z", "a", "m", "B"}) {
            EXPECT_TRUE(replace_file(disk, path("d/") + std::string(name), name));
        }
        auto entries = disk.list(path("d"));
        CO_ASSERT(entries);
        std::vector<std::string> names;
        for (const DirectoryEntry& each : *entries) names.push_back(each.name);
        EXPECT_EQ(names, (std::vector<std::string>{"B", "a", "e", "m", "z"}));
        EXPECT_TRUE((*entries)[2].is_directory);
        EXPECT_FALSE((*entries)[3].is_directory);
        EXPECT_EQ((*entries)[3].size, 1U);
        expect_failure(disk.remove(path("d")), path("d"), "Directory not empty");
        EXPECT_TRUE(disk.rename(path("d"), path("g")));
        EXPECT_TRUE(disk.exists(path("g/e/f")));
        EXPECT_TRUE(disk.sync_directory(path("g")));
        EXPECT_TRUE(disk.remove(path("g/e/f")));
        EXPECT_TRUE(disk.remove_all(path("g")));
        EXPECT_TRUE(disk.remove_all(path("g")));
        EXPECT_FALSE(disk.exists(path("g")));
        expect_failure(disk.list(path("g")), path("g"), "No such file or directory");
        expect_failure(disk.remove(path("g")), path("g"), "No such file or directory");
        expect_failure(disk.sync_directory(path("g")), path("g"), "No such file or directory");
        EXPECT_TRUE(replace_file(disk, path("file"), ""));
        expect_failure(disk.make_directories(path("file/d")), path("file/d"), "Not a directory");
        expect_failure(disk.list(path("file")), path("file"), "Not a directory");
        co_return;
    });
}

TEST_P(DiskConformance, ARemovedFileLivesUntilItIsClosed) {
    run([&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        EXPECT_TRUE((*file)->write(0, as_bytes("abc")));
        EXPECT_TRUE(here.disk().remove(path("file")));
        EXPECT_FALSE(here.disk().exists(path("file")));
        EXPECT_TRUE((*file)->write(3, as_bytes("def")));
        std::vector<std::uint8_t> into(6);
        EXPECT_EQ((*file)->read(0, into), 6U);
        EXPECT_EQ(as_string(into), "abcdef");
        EXPECT_TRUE(co_await (*file)->sync());
    });
}

TEST_P(DiskConformance, ALockIsHeldOnce) {
    run([&](Shard& here) -> Task<void> {
        auto lock = here.disk().lock(path(".lock"));
        CO_ASSERT(lock);
        auto second = here.disk().lock(path(".lock"));
        EXPECT_EQ(second.error().code, ErrorCode::duplicate_broker_registration);
        EXPECT_TRUE(second.error().message.contains("another process uses this directory"))
            << second.error().message;
        lock->reset();
        EXPECT_TRUE(here.disk().lock(path(".lock")));
        EXPECT_TRUE(here.disk().exists(path(".lock")));
        co_return;
    });
}

TEST_P(DiskConformance, ReplacingAFileLeavesNothingBeside) {
    run([&](Shard& here) -> Task<void> {
        EXPECT_TRUE(replace_file(here.disk(), path("file"), "old"));
        EXPECT_TRUE(co_await replace_file_async(here, path("file"), "new"));
        EXPECT_EQ(content_of(here.disk(), path("file")), "new");
        auto entries = here.disk().list(folder());
        CO_ASSERT(entries);
        EXPECT_EQ(entries->size(), 1U);
        expect_failure(replace_file(here.disk(), path("none/file"), "x"), path("none/file"),
                       "No such file or directory");
        expect_failure(read_file(here.disk(), path("file"), 2), path("file"), "at most 2");
    });
}

TEST_P(DiskConformance, SpaceIsToldAndModesAreSet) {
    run([&](Shard& here) -> Task<void> {
        auto space = here.disk().space(folder());
        CO_ASSERT(space);
        EXPECT_GT(space->total, 0U);
        EXPECT_LE(space->usable, space->total);
        EXPECT_TRUE(replace_file(here.disk(), path("secret"), "x"));
        EXPECT_TRUE(here.disk().set_mode(path("secret"), 0600));
        expect_failure(here.disk().set_mode(path("none"), 0600), path("none"),
                       "No such file or directory");
        co_return;
    });
}

// The system's clock for files may lag behind the other one by a tick.
TEST_P(DiskConformance, AFileKnowsWhenItWasWritten) {
    run([&](Shard& here) -> Task<void> {
        constexpr std::int64_t tick = 20;
        Disk& disk = here.disk();
        Timestamp before = here.wall_ms();
        auto file = disk.open(path("file"), {.write = true, .create = true});
        CO_ASSERT(file);
        EXPECT_TRUE((*file)->write(0, as_bytes("hello")));
        auto first = disk.modified(path("file"));
        CO_ASSERT(first);
        EXPECT_GE(*first, before - tick);
        EXPECT_LE(*first, here.wall_ms());
        co_await sleep_for(here, Duration::milliseconds(3 * tick));
        EXPECT_TRUE(disk.rename(path("file"), path("other")));
        EXPECT_EQ(disk.modified(path("other")), *first);
        EXPECT_TRUE((*file)->truncate(2));
        auto second = disk.modified(path("other"));
        CO_ASSERT(second);
        EXPECT_GE(*second, *first + tick);
        expect_failure(disk.modified(path("file")), path("file"), "No such file or directory");
    });
}

}  // namespace
}  // namespace millrace::env::conformance
