#include "env/sim/disk.h"

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

constexpr std::uint64_t seeds = 300;

std::shared_ptr<env::File> must_open(Disk& disk, std::string_view path) {
    auto file = disk.open(path, {.write = true, .create = true});
    EXPECT_TRUE(file);
    return *file;
}

std::string content_of(Disk& disk, std::string_view path) {
    Result<std::string> content = read_file(disk, path);
    return content ? *content : "missing";
}

TEST(SimDisk, APowerCutLosesOnlyWhatWasNotSynced) {
    int kept = 0;
    int lost = 0;
    int torn = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        auto file = must_open(disk, "/file");
        std::string synced(10'000, 's');
        EXPECT_TRUE(file->write(0, as_bytes(synced)));
        EXPECT_TRUE(file->sync_now());
        EXPECT_TRUE(disk.sync_directory("/"));
        EXPECT_TRUE(disk.everything_durable("/file"));
        std::string more(30'000, 'm');
        EXPECT_TRUE(file->write(10'000, as_bytes(more)));
        EXPECT_FALSE(disk.everything_durable("/file"));
        world.crash(*world.nodes().front());
        EXPECT_TRUE(disk.everything_durable("/file"));
        std::string found = content_of(disk, "/file");
        ASSERT_GE(found.size(), synced.size()) << "seed " << seed;
        EXPECT_EQ(found.substr(0, synced.size()), synced) << "seed " << seed;
        std::string rest = found.substr(synced.size());
        ASSERT_LE(rest.size(), more.size());
        // Of the rest each byte is the written one or was never there.
        EXPECT_EQ(rest.find_first_not_of(std::string_view("m\0", 2)), std::string::npos);
        if (rest == more) ++kept;
        if (rest.empty()) ++lost;
        if (rest.contains('m') && rest.contains('\0')) ++torn;
    }
    EXPECT_GT(kept, 0);
    EXPECT_GT(lost, 0);
    EXPECT_GT(torn, 0);
}

TEST(SimDisk, AKilledProcessLosesNothingThatWasWritten) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world(seed);
        Node& node = world.add_node("node");
        node.start([](Shard& here) -> Task<int> {
            auto file = here.disk().open("/file", {.write = true, .create = true});
            EXPECT_TRUE(file && (*file)->write(0, as_bytes("written")));
            co_await sleep_until(here, Time::never());
            co_return 0;
        });
        world.run_for(Duration::milliseconds(1));
        world.kill(node);
        EXPECT_EQ(content_of(node.disk(), "/file"), "written");
    }
}

// What was synced lasts even when it is overwritten later: each page is the old or the new one, or
// is torn at a sector.
TEST(SimDisk, OverwrittenPagesAreOldOrNewOrTornAtSectors) {
    std::set<std::string> found;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        auto file = must_open(disk, "/file");
        EXPECT_TRUE(file->write(0, as_bytes(std::string(4096, 'o'))));
        EXPECT_TRUE(file->sync_now());
        EXPECT_TRUE(disk.sync_directory("/"));
        EXPECT_TRUE(file->write(0, as_bytes(std::string(4096, 'n'))));
        world.crash(*world.nodes().front());
        std::string content = content_of(disk, "/file");
        ASSERT_EQ(content.size(), 4096U);
        std::size_t news = content.find('o');
        if (news == std::string::npos) news = 4096;
        EXPECT_EQ(news % 512, 0U) << "seed " << seed;
        EXPECT_EQ(content.find('n', news), std::string::npos) << "seed " << seed;
        found.insert(news == 0 ? "old" : news == 4096 ? "new" : "torn");
    }
    EXPECT_EQ(found.size(), 3U);
}

TEST(SimDisk, OnlyWhatWasWrittenBeforeASyncBeganIsDurableWhenItEnds) {
    bool late_lost = false;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Node& node = world.add_node("node");
        bool synced = false;
        node.start([&](Shard& here) -> Task<int> {
            auto file = must_open(static_cast<Disk&>(here.disk()), "/file");
            EXPECT_TRUE(here.disk().sync_directory("/"));
            EXPECT_TRUE(file->write(0, as_bytes("before")));
            auto write_during = [](Shard& shard, env::File& f) -> Task<void> {
                co_await sleep_for(shard, Duration::microseconds(50));  // no sync is so quick
                EXPECT_TRUE(f.write(6, as_bytes("during")));
            };
            Scope scope(here);
            scope.spawn(write_during(here, *file));
            EXPECT_TRUE(co_await file->sync());
            co_await scope.join();
            synced = true;
            co_await sleep_until(here, Time::never());
            co_return 0;
        });
        ASSERT_TRUE(world.run_until([&] { return synced; }));
        world.crash(node);
        std::string content = content_of(node.disk(), "/file");
        EXPECT_EQ(content.substr(0, 6), "before") << "seed " << seed;
        if (content.size() == 6) late_lost = true;
    }
    EXPECT_TRUE(late_lost);
}

TEST(SimDisk, NamesAreDurableOnceTheirDirectoryIsSynced) {
    int forgotten = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        EXPECT_TRUE(disk.make_directories("/d"));
        EXPECT_TRUE(disk.sync_directory("/"));
        EXPECT_TRUE(replace_file(disk, "/d/kept", "kept"));
        EXPECT_TRUE(must_open(disk, "/d/new")->sync_now());  // the file, not its name
        world.crash(*world.nodes().front());
        EXPECT_EQ(content_of(disk, "/d/kept"), "kept") << "seed " << seed;
        if (!disk.exists("/d/new")) ++forgotten;
    }
    EXPECT_GT(forgotten, 0);
    EXPECT_LT(forgotten, static_cast<int>(seeds));
}

TEST(SimDisk, ARenameIsFoundWholeOrNotAtAll) {
    std::map<std::string, int> found;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        EXPECT_TRUE(replace_file(disk, "/a", "new"));
        EXPECT_TRUE(replace_file(disk, "/b", "old"));
        EXPECT_TRUE(disk.rename("/a", "/b"));
        world.crash(*world.nodes().front());
        ++found[content_of(disk, "/a") + " " + content_of(disk, "/b")];
    }
    EXPECT_EQ(found.size(), 2U);
    EXPECT_GT(found["new old"], 0);
    EXPECT_GT(found["missing new"], 0);
}

TEST(SimDisk, AReplacedFileIsOldOrNewWheneverThePowerFails) {
    std::set<std::string> found;
    int begun = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        EXPECT_TRUE(replace_file(disk, "/file", "old"));
        disk.cut_off_after(world.random().below(7));
        bool replaced = replace_file(disk, "/file", std::string(20'000, 'n')).has_value();
        world.crash(*world.nodes().front());
        if (disk.exists("/file.tmp")) ++begun;
        std::string content = content_of(disk, "/file");
        EXPECT_TRUE(content == std::string(20'000, 'n') || (content == "old" && !replaced))
            << "seed " << seed;
        found.insert(content);
    }
    EXPECT_EQ(found.size(), 2U);
    EXPECT_GT(begun, 0);
}

TEST(SimDisk, ATruncationMayBeUndoneByAPowerCutUntilItIsSynced) {
    std::set<std::size_t> sizes;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        auto file = must_open(disk, "/file");
        EXPECT_TRUE(file->write(0, as_bytes(std::string(9000, 'x'))));
        EXPECT_TRUE(file->sync_now());
        EXPECT_TRUE(disk.sync_directory("/"));
        EXPECT_TRUE(file->truncate(100));
        if (seed % 2 == 0) EXPECT_TRUE(file->sync_now());
        world.crash(*world.nodes().front());
        std::string content = content_of(disk, "/file");
        EXPECT_EQ(content, std::string(content.size(), 'x')) << "seed " << seed;
        if (seed % 2 == 0) EXPECT_EQ(content.size(), 100U);
        sizes.insert(content.size());
    }
    EXPECT_EQ(sizes, (std::set<std::size_t>{100, 9000}));
}

TEST(SimDisk, AFailedSyncMayHaveLostWhatItWasToKeep) {
    int lost = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        World world(seed);
        Disk& disk = world.add_node("node").disk();
        auto file = must_open(disk, "/file");
        EXPECT_TRUE(disk.sync_directory("/"));
        EXPECT_TRUE(file->write(0, as_bytes("data")));
        disk.fail_next(Disk::Fault::sync, "file");
        Result<> synced = file->sync_now();
        EXPECT_FALSE(synced);
        EXPECT_TRUE(synced.error().message.contains("syncing /file: Input/output error"));
        EXPECT_TRUE(file->sync_now());  // the next says nothing of it, as on Linux
        world.crash(*world.nodes().front());
        if (content_of(disk, "/file") != "data") ++lost;
    }
    EXPECT_EQ(lost, static_cast<int>(seeds));
}

TEST(SimDisk, AskedForFaultsHitTheirOperationOnly) {
    World world(1);
    Disk& disk = world.add_node("node").disk();
    auto file = must_open(disk, "/d.log");
    disk.fail_next(Disk::Fault::write, ".log", "No space left on device", 2);
    EXPECT_TRUE(file->write(0, as_bytes("1")));
    EXPECT_TRUE(must_open(disk, "/other")->write(0, as_bytes("1")));
    EXPECT_TRUE(file->write(1, as_bytes("2")));
    Result<> failed = file->write(2, as_bytes("3"));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "writing at 2 of /d.log: No space left on device");
    EXPECT_TRUE(file->write(2, as_bytes("3")));
    disk.fail_next(Disk::Fault::read, "");
    EXPECT_FALSE(read_file(disk, "/d.log"));
    EXPECT_EQ(content_of(disk, "/d.log"), "123");
    disk.fail_next(Disk::Fault::open, "d.log");
    EXPECT_FALSE(disk.open("/d.log", {}));
    disk.fail_next(Disk::Fault::rename, "d.log");
    EXPECT_FALSE(disk.rename("/d.log", "/e.log"));
    disk.fail_next(Disk::Fault::remove, "d.log");
    EXPECT_FALSE(disk.remove("/d.log"));
    EXPECT_EQ(content_of(disk, "/d.log"), "123");
}

TEST(SimDisk, DrawnFaultsComeAsOftenAsAsked) {
    World world(1);
    Disk& disk = world.add_node("node").disk();
    auto file = must_open(disk, "/file");
    disk.conditions.write_error = 0.25;
    int failed = 0;
    for (int i = 0; i < 1000; ++i) {
        if (!file->write(0, as_bytes("x"))) ++failed;
    }
    EXPECT_GT(failed, 180);
    EXPECT_LT(failed, 320);
}

TEST(SimDisk, AFullDiskTakesAPartAndThenNothing) {
    World world(1);
    Disk& disk = world.add_node("node").disk();
    disk.conditions.capacity = 10'000;
    auto file = must_open(disk, "/file");
    EXPECT_TRUE(file->write(0, as_bytes(std::string(9'000, 'x'))));
    EXPECT_EQ(disk.space("/")->usable, 1'000U);
    Result<> full = file->write(9'000, as_bytes(std::string(2'000, 'y')));
    ASSERT_FALSE(full);
    EXPECT_TRUE(full.error().message.contains("No space left on device"));
    EXPECT_EQ(file->size(), 10'000U);
    EXPECT_EQ(disk.space("/")->usable, 0U);
    EXPECT_TRUE(file->write(0, as_bytes("fits over what is there")));
    EXPECT_FALSE(must_open(disk, "/other")->write(0, as_bytes("x")));
    // An unlinked file takes no room, however it ends.
    EXPECT_TRUE(disk.remove("/file"));
    EXPECT_EQ(disk.used(), 0U);
    EXPECT_TRUE(file->truncate(10));
    file.reset();
    EXPECT_EQ(disk.used(), 0U);
    EXPECT_EQ(disk.space("/")->usable, 10'000U);
}

TEST(SimDisk, RotChangesWhatIsReadAndNothingTells) {
    World world(1);
    Disk& disk = world.add_node("node").disk();
    EXPECT_TRUE(replace_file(disk, "/file", "abc"));
    disk.rot("/file", 1, 0);
    EXPECT_EQ(content_of(disk, "/file"), "acc");
    world.crash(*world.nodes().front());
    EXPECT_EQ(content_of(disk, "/file"), "acc");
}

TEST(SimDisk, AFileOfAProcessThatHasEndedIsDead) {
    World world(1);
    Node& node = world.add_node("node");
    std::shared_ptr<env::File> file;
    world.run(node, [&](Shard& here) -> Task<int> {
        file = *here.disk().open("/file", {.write = true, .create = true});
        co_return 0;
    });
    EXPECT_FALSE(file->write(0, as_bytes("x")));
    EXPECT_FALSE(file->sync_now());
    EXPECT_FALSE(file->size());
}

}  // namespace
}  // namespace millrace::env::sim
