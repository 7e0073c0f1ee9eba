// Headers of batches that lay in a file: what is trusted of them, and what readers get of a log in
// which one has rotted.

#include "storage/header_proof.h"

#include <algorithm>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/log_for_tests.h"
#include "base/random.h"
#include "records/batch.h"
#include "storage/log_for_tests.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;

// Against one flag a byte.
TEST(ProvenHeaders, AreThoseOfTheWalks) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Random random(seed);
        std::uint32_t size = 1 + random.below(300);
        ProvenHeaders proven(size);
        std::vector<bool> model(size, false);
        for (int step = 0; step < 40; ++step) {
            if (random.chance(0.05)) {
                size = 1 + random.below(size);
                proven.cut(size);
                model.resize(size);
            }
            std::uint32_t begin = random.below(size);
            std::uint32_t end = begin + 1 + random.below(size - begin);
            proven.add({begin, end, Offset{end}});
            std::fill(model.begin() + begin, model.begin() + end, true);
            std::uint32_t at = random.below(size);
            auto broken = std::find(model.begin() + at, model.end(), false);
            bool to_the_end = broken == model.end();
            auto until = static_cast<std::uint32_t>(broken - model.begin());
            ASSERT_EQ(proven.end_from(at, 1000), to_the_end ? 1000 : until) << "from " << at;
            ASSERT_EQ(proven.complete(), std::ranges::count(model, false) == 0);
        }
        ASSERT_EQ(proven.end_from(size, 1000), 1000U) << "what is written behind";
    }
}

class RottenHeaders : public SimulatedLogTest {
  protected:
    RottenHeaders() {
        origin_.options.index_interval_bytes = 1000;
        origin_.options.segment_bytes = 20'000;
    }

    // Batches of two records, the offsets of which leap by `gap` now and then, as those of a log
    // that was compacted.
    void write(int batches, Offset gap = 0) {
        live([&](Shard&, Log& log) -> Task<void> {
            Offset at = 0;
            for (int i = 0; i < batches; ++i) {
                Slice batch = make_batch({.records = 2,
                                          .value_size = 200,
                                          .timestamp = 1'000 + 10 * i,
                                          .base_offset = at,
                                          .leader_epoch = i < batches / 2 ? 3 : 5});
                EXPECT_TRUE(log.append_as_follower(std::move(batch)));
                places_.push_back(at);
                at += 2 + (i % 7 == 6 ? gap : 0);
            }
            EXPECT_TRUE(co_await log.durable(log.next_offset()));
            EXPECT_TRUE(co_await log.close());
            origin_.recovery_point = log.end_offset();
        });
        origin_.clean_shutdown = true;
        batch_size_ = make_batch({.records = 2, .value_size = 200}).size();
    }
    // Flips a bit of the `index`-th batch; all lie in the first segment.
    void rot(int index, std::size_t byte, unsigned bit) {
        node_.disk().rot("/d/t-0/00000000000000000000.log",
                         static_cast<std::uint64_t>(index) * batch_size_ + byte, bit);
    }
    static Task<Result<ReadResult>> fetch(Log& log, Offset offset, std::uint64_t bytes = 1 << 20) {
        co_return co_await log.fetch({.offset = offset,
                                      .max_bytes = bytes,
                                      .whole_first_batch = true,
                                      .upper_bound = log.end_offset()});
    }

    std::vector<Offset> places_;
    std::uint64_t batch_size_ = 0;
    std::vector<std::string> errors_;
    log::CapturedLog captured_{[this](const log::Line& line) {
        if (line.level >= log::Level::error) errors_.push_back(std::string(line.text));
    }};
};

struct Flip {
    const char* what;
    std::size_t byte;
    unsigned bit;
};
constexpr Flip flips[] = {{"base offset, upwards", batch_layout::base_offset + 7, 3},
                          {"base offset, downwards", batch_layout::base_offset + 7, 1},
                          {"base offset, far", batch_layout::base_offset + 2, 0},
                          {"length, longer", batch_layout::length + 2, 5},
                          {"length, shorter", batch_layout::length + 3, 3},
                          {"leader epoch, higher", batch_layout::leader_epoch + 3, 2},
                          {"leader epoch, lower", batch_layout::leader_epoch + 3, 0},
                          {"magic", batch_layout::magic, 0},
                          {"magic of old batches", batch_layout::magic, 1}};

TEST_F(RottenHeaders, WhatLiesBeforeOneIsReadAndItIsNot) {
    write(30);
    for (const Flip& flip : flips) {
        SCOPED_TRACE(flip.what);
        errors_.clear();
        rot(11, flip.byte, flip.bit);
        live([&](Shard&, Log& log) -> Task<void> {
            auto before = co_await fetch(log, places_[0]);
            EXPECT_TRUE(before);
            if (before) EXPECT_EQ(before->records.size(), 11 * batch_size_);
            for (int i = 0; i < 3; ++i) {
                auto rotten = co_await fetch(log, places_[11] + i % 2);
                EXPECT_FALSE(rotten);
                if (!rotten) EXPECT_EQ(rotten.error().code, ErrorCode::corrupt_message);
                EXPECT_FALSE(log.load({.offset = places_[11], .max_bytes = 1, .upper_bound = 60}));
            }
            // The index points behind it.
            auto behind = co_await fetch(log, places_[18]);
            EXPECT_TRUE(behind);
            if (behind) EXPECT_EQ(behind->records.size(), 12 * batch_size_);
            auto by_time = co_await log.find_by_timestamp(1'000 + 110);
            EXPECT_FALSE(by_time);
            EXPECT_FALSE(log.failed());
        });
        EXPECT_EQ(errors_.size(), 1U) << "the place is told once";
        if (!errors_.empty()) {
            EXPECT_TRUE(errors_[0].contains("00000000000000000000.log") &&
                        errors_[0].contains(fmt::format("byte {} ", 11 * batch_size_)))
                << errors_[0];
        }
        rot(11, flip.byte, flip.bit);
    }
}

TEST_F(RottenHeaders, AnyPlaceOfASoundLogIsRead) {
    for (Offset gap : {0, 5}) {
        places_.clear();
        origin_.path = fmt::format("/d/t-{}", gap);
        origin_.clean_shutdown = false;
        origin_.options.segment_bytes = 4'000;
        write(60, gap);
        for (std::uint64_t seed = 1; seed <= 30; ++seed) {
            SCOPED_TRACE(fmt::format("seed {}", seed));
            Random random(seed);
            live([&](Shard&, Log& log) -> Task<void> {
                for (int i = 0; i < 20; ++i) {
                    Offset offset = static_cast<Offset>(
                        random.below(static_cast<std::uint64_t>(log.end_offset())));
                    auto read = co_await fetch(log, offset, random.below(3'000));
                    EXPECT_TRUE(read && !read->records.empty()) << "at " << offset;
                    auto bytes =
                        log.load({.offset = offset, .max_bytes = 1, .upper_bound = 1'000'000});
                    EXPECT_TRUE(bytes && !bytes->empty());
                    if (!bytes || bytes->empty()) co_return;
                    BatchView batch = BatchView::trusted(*bytes);
                    auto next = std::ranges::upper_bound(places_, offset);
                    auto holder = *std::prev(next) + 1 >= offset ? std::prev(next) : next;
                    EXPECT_EQ(batch.base_offset(), *holder) << "at " << offset;
                }
            });
        }
        EXPECT_TRUE(errors_.empty());
    }
}

TEST_F(RottenHeaders, SegmentsThatCompactionEmptiedAreReadPast) {
    write(200);
    std::vector<std::string> logs;
    auto listed = node_.disk().list("/d/t-0");
    ASSERT_TRUE(listed);
    for (const env::DirectoryEntry& each : *listed) {
        if (each.name.ends_with(".log")) logs.push_back(each.name.substr(0, each.name.size() - 4));
    }
    ASSERT_GT(logs.size(), 3U);
    for (const std::string& name : {logs[0], logs[1]}) {
        for (const char* suffix : {".log", ".index", ".timeindex"}) {
            std::string path = fmt::format("/d/t-0/{}{}", name, suffix);
            ASSERT_TRUE(node_.disk().open(path, {.write = true, .truncate = true}));
        }
    }
    live([&](Shard&, Log& log) -> Task<void> {
        Result<ReadResult> read = co_await fetch(log, 0);
        EXPECT_TRUE(read && !read->records.empty());
        if (read) EXPECT_EQ(read->segment_base, std::stoll(logs[2]));
    });
}

TEST_F(RottenHeaders, TheLastBatchDoesNotMoveTheEndOfTheLog) {
    write(30);
    for (unsigned bit : {0U, 3U, 6U, 7U}) {
        SCOPED_TRACE(bit);
        rot(29, batch_layout::base_offset + 6, bit);
        live([&](Shard&, Log& log) -> Task<void> {
            EXPECT_EQ(log.end_offset(), places_[29]);
            co_return;
        });
        // It was cut off.
        live([&](Shard&, Log& log) -> Task<void> {
            EXPECT_TRUE(log.append_as_follower(make_batch({.records = 2,
                                                           .value_size = 200,
                                                           .timestamp = 1'290,
                                                           .base_offset = places_[29],
                                                           .leader_epoch = 5})));
            EXPECT_TRUE(co_await log.durable(log.next_offset()));
            EXPECT_TRUE(co_await log.close());
        });
    }
}

// The walk is over what is read, and it is done once.
TEST_F(RottenHeaders, AreLookedForOnce) {
    origin_.options.segment_bytes = 100 << 20;
    write(6'000);
    live([&](Shard&, Log& log) -> Task<void> {
        env::sim::Disk& disk = node_.disk();
        auto operations = [&](std::size_t batch) -> Task<std::uint64_t> {
            std::uint64_t before = disk.operations();
            auto read = co_await fetch(log, places_[batch], 100'000);
            EXPECT_TRUE(read);
            if (read) EXPECT_EQ(read->records.size(), 100'000U);
            co_return disk.operations() - before;
        };
        // Pages that are not in memory take a second look.
        auto least = [&](std::size_t batch) -> Task<std::uint64_t> {
            std::uint64_t found = co_await operations(batch);
            for (int i = 0; i < 20; ++i) found = std::min(found, co_await operations(batch));
            co_return found;
        };
        std::uint64_t walked = co_await operations(3'000);
        std::uint64_t again = co_await least(3'000);
        EXPECT_GT(walked, again + 10);
        // A walk goes on beyond what was asked for.
        EXPECT_EQ(co_await least(4'000), again);
        for (std::size_t i = 0; i < 5'700; i += 100) co_await operations(i);
        EXPECT_TRUE(co_await log.prove_segment(0));
        EXPECT_EQ(co_await least(3'000), again) << "what is not known of the rest costs nothing";
    });
    EXPECT_TRUE(errors_.empty());
}

TEST_F(RottenHeaders, ASegmentIsProvenBeforeItIsCopied) {
    write(60);
    live([&](Shard&, Log& log) -> Task<void> {
        EXPECT_GT(log.segment_count(), 1U);
        EXPECT_TRUE(co_await log.prove_segment(0));
        co_return;
    });
    rot(20, batch_layout::base_offset + 7, 2);
    live([&](Shard&, Log& log) -> Task<void> {
        Result<> proven = co_await log.prove_segment(0);
        EXPECT_FALSE(proven);
        if (!proven) EXPECT_EQ(proven.error().code, ErrorCode::corrupt_message);
    });
}

}  // namespace
}  // namespace millrace::storage
