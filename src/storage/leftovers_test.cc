// What unfinished work of a cleaner leaves, Apache's or ours, and what a start makes of it.

#include "storage/leftovers.h"

#include <fmt/core.h>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/file_names.h"
#include "storage/keyed_batches_for_tests.h"

namespace millrace::storage {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

const std::string directory = "/d/t-0";

class LeftoversTest : public testing::Test {
  protected:
    LeftoversTest() : world_(1), node_(world_.add_node("node")), disk_(node_.disk()) {
        EXPECT_TRUE(disk_.make_directories(directory));
    }

    // Runs on the node: files are open in a process only.
    void run(std::function<Task<void>(env::Shard&)> body) {
        auto main = [&](env::Shard& here) -> Task<int> {
            co_await body(here);
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }
    void write(const std::string& name, Bytes bytes) {
        auto file = disk_.open(directory + "/" + name, {.write = true, .create = true});
        EXPECT_TRUE(file && (*file)->write(0, bytes));
    }
    void write(const std::string& name) { write(name, as_bytes("x")); }
    // A segment's log with one batch of one record at each of these offsets.
    void write_log(const std::string& name, const std::vector<Offset>& offsets) {
        Buffer bytes;
        for (Offset offset : offsets) {
            bytes.append(keyed_batch({{fmt::format("{}", offset), "v"}},
                                     {.base_offset = offset, .leader_epoch = 0})
                             .bytes());
        }
        write(name, bytes.bytes());
    }
    static std::string name(Offset base, std::string_view suffix) {
        return fmt::format("{:020}{}", base, suffix);
    }
    std::set<Offset> cleared() {
        auto compacted = clear_leftovers(disk_, directory);
        EXPECT_TRUE(compacted) << compacted.error().message;
        return compacted.value_or(std::set<Offset>{});
    }
    std::vector<std::string> names() {
        std::vector<std::string> found;
        for (const auto& entry : disk_.list(directory).value()) found.push_back(entry.name);
        return found;
    }

    env::sim::World world_;
    env::sim::Node& node_;
    env::sim::Disk& disk_;
};

TEST_F(LeftoversTest, WhatWasNotFinishedGoes) {
    run([&](env::Shard&) -> Task<void> {
        write_log(name(0, ".log"), {0, 1});
        write(name(0, ".log.cleaned"));
        write(name(0, ".index.swap"));  // one file was renamed, another one was not
        write(name(7, ".log.deleted"));
        write("00000000000000000007-0000000001.checkpoint.deleted");
        EXPECT_TRUE(cleared().empty());
        EXPECT_THAT(names(),
                    UnorderedElementsAre(name(0, ".log"),
                                         "00000000000000000007-0000000001.checkpoint.deleted"));
        co_return;
    });
}

TEST_F(LeftoversTest, AFinishedOutputTakesThePlaceOfItsSources) {
    run([&](env::Shard&) -> Task<void> {
        write_log(name(10, ".log.swap"), {12, 29});
        write(name(10, ".index.swap"));
        write_log(name(10, ".log"), {10, 11, 12});
        write(name(10, ".index"));
        write(name(10, ".timeindex"));
        write(name(10, ".txnindex"));
        write(name(10, ".snapshot"));  // of the producers before it: stays true
        write_log(name(20, ".log"), {20, 29});
        write(name(20, ".index"));
        write(name(20, ".snapshot"));
        write_log(name(30, ".log"), {30});
        EXPECT_THAT(cleared(), ElementsAre(10));
        EXPECT_THAT(names(), UnorderedElementsAre(name(10, ".log"), name(10, ".index"),
                                                  name(10, ".snapshot"), name(30, ".log")));
        co_return;
    });
}

TEST_F(LeftoversTest, AnEmptyOutputTakesThePlaceOfItsFirstSource) {
    run([&](env::Shard&) -> Task<void> {
        write_log(name(10, ".log.swap"), {});
        write_log(name(10, ".log"), {10, 11});
        write(name(10, ".txnindex"));
        write_log(name(20, ".log"), {20});
        EXPECT_THAT(cleared(), ElementsAre(10));
        EXPECT_THAT(names(), UnorderedElementsAre(name(10, ".log"), name(20, ".log")));
        EXPECT_EQ(disk_.list(directory)->front().size, 0U);
        co_return;
    });
}

TEST_F(LeftoversTest, AnOutputOfWhichTheLogHasItsNameAlreadyIsFinished) {
    run([&](env::Shard&) -> Task<void> {
        write_log(name(10, ".log"), {12});
        write(name(10, ".index.swap"));
        write(name(10, ".log.deleted"));
        EXPECT_THAT(cleared(), ElementsAre(10));
        EXPECT_THAT(names(), UnorderedElementsAre(name(10, ".log"), name(10, ".index")));
        co_return;
    });
}

// Apache's cleaner lets a segment end below the next one.
TEST_F(LeftoversTest, RecoveryTellsGapsOfCompactionFromLosses) {
    run([&](env::Shard& here) -> Task<void> {
        auto end_of_log = [&](std::optional<Offset> first_dirty) -> Task<Offset> {
            DirectoryHealth health;
            auto log =
                co_await Log::open(here, health, {.path = directory, .first_dirty = first_dirty});
            EXPECT_TRUE(log) << log.error().message;
            if (!log) co_return -1;
            Offset end = (*log)->end_offset();
            co_await (*log)->abandon();
            co_return end;
        };
        auto write_all = [&] {
            write_log(name(0, ".log"), {0, 3});
            write_log(name(10, ".log"), {10, 12});
            write_log(name(20, ".log"), {20});
        };
        write_all();
        EXPECT_EQ(co_await end_of_log(20), 21);
        EXPECT_EQ(co_await end_of_log(10), 13);  // the second gap is a loss
        write_all();
        write(name(0, ".log.deleted"));
        write(name(10, ".log.deleted"));
        EXPECT_EQ(co_await end_of_log({}), 21);
        EXPECT_EQ(co_await end_of_log({}), 4);
    });
}

}  // namespace
}  // namespace millrace::storage
