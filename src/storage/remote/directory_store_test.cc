#include "storage/remote/directory_store.h"

#include <gtest/gtest.h>

#include "env/disk.h"
#include "env/sim/conformance_for_tests.h"
#include "env/sim/world.h"
#include "storage/remote/faulty_store_for_tests.h"
#include "storage/remote/object_store_for_tests.h"

namespace millrace::storage::remote {
namespace {

using env::Shard;

class DirectoryStoreTest : public env::conformance::Conformance {};
MILLRACE_RUN_IN_BOTH_WORLDS(DirectoryStoreTest);

TEST_P(DirectoryStoreTest, KeepsThePromisesOfStores) {
    run([&](Shard& here) -> Task<void> {
        auto store = DirectoryStore::open(here.disk(), folder(), 1);
        CO_ASSERT(store);
        expect_keeps_promises(**store, 7 + GetParam().sim_seed);
    });
}

TEST_P(DirectoryStoreTest, EmptiedFoldersGo) {
    run([&](Shard& here) -> Task<void> {
        auto store = DirectoryStore::open(here.disk(), folder(), 1);
        CO_ASSERT(store);
        CO_ASSERT(put_text(**store, "t/id/0/a", "x"));
        CO_ASSERT(put_text(**store, "t/id/1/a", "x"));
        CO_ASSERT((*store)->remove("t/id/0/a"));
        EXPECT_FALSE(here.disk().exists(path("t/id/0")));
        EXPECT_TRUE(here.disk().exists(path("t/id/1/a")));
        CO_ASSERT((*store)->remove("t/id/1/a"));
        EXPECT_FALSE(here.disk().exists(path("t")));
        EXPECT_TRUE(here.disk().exists(folder()));
    });
}

TEST_P(DirectoryStoreTest, UnfinishedPutsOfANodeGoWhenItStarts) {
    run([&](Shard& here) -> Task<void> {
        for (std::string_view name : {"uploads~1/5", "uploads~2/5"}) {
            CO_ASSERT(here.disk().make_directories(env::parent_of(path(name))));
            CO_ASSERT(env::replace_file(here.disk(), path(name), "half"));
        }
        auto store = DirectoryStore::open(here.disk(), folder(), 1);
        CO_ASSERT(store);
        EXPECT_FALSE(here.disk().exists(path("uploads~1/5")));
        EXPECT_TRUE(here.disk().exists(path("uploads~2/5")));
        EXPECT_EQ((*store)->list(""), std::vector<std::string>());
    });
}

TEST_P(DirectoryStoreTest, AFailedPutLeavesWhatWasThere) {
    run([&](Shard& here) -> Task<void> {
        auto store = DirectoryStore::open(here.disk(), folder(), 1);
        CO_ASSERT(store);
        FaultyStore faulty(**store, 1, {.shortened = 1});
        CO_ASSERT(put_text(**store, "t/a", "old"));
        EXPECT_FALSE(put_text(faulty, "t/a", "new"));
        EXPECT_EQ(text_of(**store, "t/a"), "old");
        auto left = here.disk().list(path("uploads~1"));
        CO_ASSERT(left);
        EXPECT_TRUE(left->empty());
    });
}

TEST_P(DirectoryStoreTest, PutsEndWhenTheNodeStops) {
    run([&](Shard& here) -> Task<void> {
        auto store = DirectoryStore::open(here.disk(), folder(), 1);
        CO_ASSERT(store);
        (*store)->stop();
        auto put = put_text(**store, "t/a", "x");
        CO_ASSERT(!put);
        EXPECT_TRUE(put.error().message.contains("the node stops")) << put.error().message;
        EXPECT_EQ((*store)->list(""), std::vector<std::string>());
    });
}

TEST_P(DirectoryStoreTest, AMissingDirectoryIsRefused) {
    run([&](Shard& here) -> Task<void> {
        auto store = DirectoryStore::open(here.disk(), path("none"), 1);
        CO_ASSERT(!store);
        EXPECT_TRUE(store.error().message.contains(path("none"))) << store.error().message;
        co_return;
    });
}

// A store on the disk of a machine that loses its power after every number of operations.
class PowerCut {
  public:
    explicit PowerCut(std::uint64_t seed) : world_(seed), disk_(world_.add_node("nas").disk()) {
        EXPECT_TRUE(disk_.make_directories("/remote"));
        EXPECT_TRUE(disk_.sync_directory("/"));
        boot();
    }

    DirectoryStore& store() { return *store_; }
    env::sim::Disk& disk() { return disk_; }
    void cut_off_after(std::uint64_t operations) { disk_.cut_off_after(operations); }
    void crash() {
        store_.reset();
        disk_.lose_power();
        boot();
    }

  private:
    void boot() {
        auto opened = DirectoryStore::open(disk_, "/remote", 1);
        ASSERT_TRUE(opened) << opened.error().message;
        store_ = *std::move(opened);
    }

    env::sim::World world_;
    env::sim::Disk& disk_;
    std::unique_ptr<DirectoryStore> store_;
};

constexpr std::uint64_t seeds = 40;
constexpr std::uint64_t most_operations = 40;

TEST(DirectoryStorePowerCut, APutIsOldOrNew) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        Random random(seed);
        std::string old = random_bytes(random, 5'000);
        std::string fresh = random_bytes(random, 9'000);
        bool whole = false;
        for (std::uint64_t operations = 0; !whole; ++operations) {
            SCOPED_TRACE(testing::Message() << "seed " << seed << ", cut after " << operations);
            ASSERT_LT(operations, most_operations);
            PowerCut trial(seed);
            bool replaces = random.chance(0.5);
            if (replaces) ASSERT_TRUE(put_text(trial.store(), "t/id/0/a", old));
            trial.cut_off_after(operations);
            whole = put_text(trial.store(), "t/id/0/a", fresh).has_value();
            trial.crash();

            std::string left = text_of(trial.store(), "t/id/0/a");
            if (left == fresh) continue;
            EXPECT_FALSE(whole) << "an acknowledged put is lost: " << left.substr(0, 80);
            if (replaces) {
                EXPECT_TRUE(left == old) << left.substr(0, 80);
            } else {
                EXPECT_EQ(trial.store().get("t/id/0/a", 0, 1).error().code,
                          ErrorCode::resource_not_found);
            }
        }
    }
}

TEST(DirectoryStoreFaults, AFailedOperationLeavesOldOrNew) {
    using Fault = env::sim::Disk::Fault;
    int failed = 0;
    for (Fault fault : {Fault::open, Fault::write, Fault::sync, Fault::rename}) {
        for (int skip = 0; skip < 6; ++skip) {
            PowerCut trial(17);
            ASSERT_TRUE(put_text(trial.store(), "t/id/0/a", "old"));
            trial.disk().fail_next(fault, "/remote", "No space left on device", skip);
            Result<> put = put_text(trial.store(), "t/id/0/a", "new");
            if (put) continue;  // it has fewer such operations
            std::string left = text_of(trial.store(), "t/id/0/a");
            ++failed;
            EXPECT_EQ(put.error().code, ErrorCode::kafka_storage_error);
            EXPECT_TRUE(put.error().message.contains("No space left")) << put.error().message;
            EXPECT_TRUE(left == "old" || left == "new") << left;
            ASSERT_TRUE(put_text(trial.store(), "t/id/0/a", "newer"));
            EXPECT_EQ(text_of(trial.store(), "t/id/0/a"), "newer");
            auto uploads = trial.disk().list("/remote/uploads~1");
            ASSERT_TRUE(uploads);
            EXPECT_TRUE(uploads->empty());
        }
    }
    EXPECT_GE(failed, 8);
}

TEST(DirectoryStorePowerCut, WhatWasRemovedStaysAway) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        bool whole = false;
        for (std::uint64_t operations = 0; !whole; ++operations) {
            SCOPED_TRACE(testing::Message() << "seed " << seed << ", cut after " << operations);
            ASSERT_LT(operations, most_operations);
            PowerCut trial(seed);
            ASSERT_TRUE(put_text(trial.store(), "t/id/0/a", "one"));
            ASSERT_TRUE(put_text(trial.store(), "t/id/1/a", "other"));
            trial.cut_off_after(operations);
            whole = trial.store().remove("t/id/0/a").has_value();
            trial.crash();
            if (whole) {
                EXPECT_EQ(trial.store().list(""), std::vector<std::string>{"t/id/1/a"});
            }
            EXPECT_EQ(text_of(trial.store(), "t/id/1/a"), "other");
        }
    }
}

}  // namespace
}  // namespace millrace::storage::remote
