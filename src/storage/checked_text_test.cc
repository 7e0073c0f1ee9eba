#include "storage/checked_text.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"

namespace millrace::storage {
namespace {

class CheckedTextTest : public testing::Test {
  protected:
    CheckedTextTest() { EXPECT_TRUE(disk_.make_directories("/d")); }
    void live(std::function<Task<void>(env::Shard&)> body) {
        world_.run(node_, [&](env::Shard& shard) -> Task<int> {
            co_await body(shard);
            co_return 0;
        });
    }
    void expect(std::string_view text, bool proven) {
        auto read = read_checked(disk_, path_);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(read->text, text);
        EXPECT_EQ(read->proven, proven);
    }

    env::sim::World world_{3};
    env::sim::Node& node_ = world_.add_node("node");
    env::sim::Disk& disk_ = node_.disk();
    const std::string path_ = "/d/checkpoint";
    const std::string beside_ = "/d/.millrace-checkpoint";
};

TEST_F(CheckedTextTest, RotInEitherFileIsFound) {
    live([&](env::Shard&) -> Task<void> {
        EXPECT_TRUE(replace_checked(disk_, path_, "0\n1\nt 0 5\n"));
        expect("0\n1\nt 0 5\n", true);
        disk_.rot(path_, 8, 1);
        EXPECT_EQ(env::read_file(disk_, path_), "0\n1\nt 0 7\n");
        expect("0\n1\nt 0 5\n", true);
        disk_.rot(path_, 8, 1);
        std::size_t size = env::read_file(disk_, beside_)->size();
        for (std::size_t at = 0; at < size; ++at) {
            disk_.rot(beside_, at, at % 8);
            expect("0\n1\nt 0 5\n", false);
            disk_.rot(beside_, at, at % 8);
        }
        co_return;
    });
}

TEST_F(CheckedTextTest, WhatAnotherProgramHasWrittenIsBelieved) {
    live([&](env::Shard& shard) -> Task<void> {
        EXPECT_TRUE(replace_checked(disk_, path_, "old"));
        co_await env::sleep_for(shard, Duration::milliseconds(1));
        EXPECT_TRUE(env::replace_file(disk_, path_, "of Apache"));
        expect("of Apache", false);
        EXPECT_TRUE(replace_checked(disk_, path_, "new"));
        expect("new", true);
    });
}

// All in one millisecond, so that times do not tell one text from another.
TEST_F(CheckedTextTest, APowerCutLeavesOldOrNew) {
    for (std::uint64_t after = 0; after < 16; ++after) {
        live([&](env::Shard&) -> Task<void> {
            EXPECT_TRUE(replace_checked(disk_, path_, "old"));
            disk_.cut_off_after(after);
            (void)replace_checked(disk_, path_, "new");
            co_return;
        });
        bool finished = disk_.hit().empty();
        world_.crash(node_);
        live([&](env::Shard&) -> Task<void> {
            auto read = read_checked(disk_, path_);
            EXPECT_TRUE(read && (read->text == "new" || (read->text == "old" && !finished)))
                << "after " << after;
            co_return;
        });
    }
}

}  // namespace
}  // namespace millrace::storage
