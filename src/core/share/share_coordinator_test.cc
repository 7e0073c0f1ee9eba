#include "core/share/share_coordinator.h"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "base/random.h"
#include "core/metadata/delta.h"
#include "records/record.h"

namespace millrace::share {
namespace {

const Uuid topic_id{1, 2};
const ShareKey key{"g", topic_id, 0};

struct Bench {
    explicit Bench(std::int32_t updates = 500) : options{.updates_per_snapshot = updates} {
        metadata::Delta delta(metadata::Image{});
        CHECK(delta.apply(TopicRecord{.name = "t", .topic_id = topic_id}));
        for (std::int32_t i = 0; i < 2; ++i) {
            CHECK(delta.apply(PartitionRecord{.partition_id = i,
                                              .topic_id = topic_id,
                                              .replicas = {1},
                                              .isr = {1},
                                              .leader = 1,
                                              .directories = {{0, 200}}}));
        }
        image = std::make_shared<const metadata::Image>(std::move(delta).finish(10, 1));
        coordinator.set_image(image);
    }

    template <typename Response>
    Response conclude(Decision<Response> decision) {
        for (const coordinator::Record& record : decision.records) {
            CHECK(coordinator.apply(record, static_cast<std::int64_t>(log.size())));
            log.push_back(record);
        }
        return decision.response;
    }
    ErrorCode initialize(std::int32_t epoch, Offset start, const ShareKey& of = key) {
        return conclude(coordinator.initialize(of, epoch, start, 1'000)).error;
    }
    ErrorCode write(const ShareCoordinator::Write& what, const ShareKey& of = key) {
        return conclude(coordinator.write(of, what, 2'000)).error;
    }
    ShareCoordinator::Read read(std::int32_t epoch, const ShareKey& of = key) {
        return conclude(coordinator.read(of, epoch, 3'000));
    }

    ShareCoordinatorOptions options;
    metadata::ImagePtr image;
    ShareCoordinator coordinator{options};
    std::vector<coordinator::Record> log;
};

TEST(ShareCoordinatorTest, KeepsWhatLeadersWrite) {
    Bench bench;
    EXPECT_EQ(bench.write({.state_epoch = 1}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.read(1).outcome.error, ErrorCode::invalid_request);
    EXPECT_EQ(bench.initialize(1, -1), ErrorCode::none);
    EXPECT_EQ(bench.read(0).start_offset, -1);
    EXPECT_EQ(bench.log.size(), 1U) << "epoch 0 is the one it began with";
    EXPECT_EQ(bench.read(5).start_offset, -1);
    EXPECT_EQ(bench.log.size(), 2U);
    std::vector<StateBatch> batches = {{0, 4, RecordState::acknowledged, 1},
                                       {5, 9, RecordState::available, 2}};
    EXPECT_EQ(bench.write({.state_epoch = 1,
                           .leader_epoch = 5,
                           .start_offset = 0,
                           .delivery_complete_count = 5,
                           .batches = batches}),
              ErrorCode::none);
    EXPECT_EQ(bench.read(5).batches, batches);
    EXPECT_EQ(bench.write({.state_epoch = 1, .leader_epoch = 5, .start_offset = 7}),
              ErrorCode::none);
    EXPECT_EQ(bench.read(5).batches, (std::vector<StateBatch>{{7, 9, RecordState::available, 2}}));
    ShareCoordinator::Summary summary = bench.coordinator.summarize(key);
    EXPECT_EQ(summary.start_offset, 7);
    EXPECT_EQ(summary.leader_epoch, 5);
    EXPECT_EQ(summary.state_epoch, 1);
}

TEST(ShareCoordinatorTest, FencesThoseBefore) {
    Bench bench;
    EXPECT_EQ(bench.initialize(3, 0), ErrorCode::none);
    bench.read(5);
    EXPECT_EQ(bench.read(4).outcome.error, ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(bench.write({.state_epoch = 3, .leader_epoch = 4}), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(bench.write({.state_epoch = 2, .leader_epoch = 5}), ErrorCode::fenced_state_epoch);
    EXPECT_EQ(bench.initialize(2, 0), ErrorCode::fenced_state_epoch);
    EXPECT_EQ(bench.initialize(4, 7), ErrorCode::none);
    EXPECT_EQ(bench.read(5).start_offset, 7);
    EXPECT_EQ(bench.write({.state_epoch = 3, .leader_epoch = 5}), ErrorCode::fenced_state_epoch);
}

TEST(ShareCoordinatorTest, RefusesWhatIsNoPartitionOrOffset) {
    Bench bench;
    EXPECT_EQ(bench.initialize(1, 0, {"g", topic_id, 2}), ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(bench.initialize(1, 0, {"g", {3, 4}, 0}), ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(bench.initialize(1, 0, {"g", topic_id, -1}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.initialize(1, 0), ErrorCode::none);
    for (StateBatch batch : {StateBatch{5, 4}, StateBatch{-1, 4}, StateBatch{0, INT64_MAX}})
        EXPECT_EQ(bench.write({.state_epoch = 1, .batches = {batch}}), ErrorCode::invalid_request);
    EXPECT_EQ(bench.conclude(bench.coordinator.remove(key)).error, ErrorCode::none);
    EXPECT_EQ(bench.coordinator.size(), 0U);
    EXPECT_EQ(bench.conclude(bench.coordinator.remove(key)).error, ErrorCode::none);
    EXPECT_EQ(bench.log.size(), 2U);
    EXPECT_EQ(bench.coordinator.redundant_below(), 1);
}

TEST(ShareCoordinatorTest, FindsThePartitionOfAKey) {
    ShareKey odd{"a:b", topic_id, 17};
    EXPECT_EQ(*parse_share_key(odd.to_string()), odd);
    for (const char* bad : {"", "g", "g:x", ":AAAAAAAAAAEAAAAAAAAAAg:0",
                            "g:AAAAAAAAAAEAAAAAAAAAAg:", "g:AAAAAAAAAAEAAAAAAAAAAg:-1",
                            "g:AAAAAAAAAAEAAAAAAAAAAg:1x", "g:short:1"})
        EXPECT_FALSE(parse_share_key(bad)) << bad;
}

TEST(ShareCoordinatorTest, SnapshotsWhatNobodyWrites) {
    Bench bench;
    bench.initialize(1, 0);
    EXPECT_EQ(bench.conclude(bench.coordinator.snapshot_cold(300'999)), 0);
    EXPECT_EQ(bench.conclude(bench.coordinator.snapshot_cold(301'000)), 1);
    EXPECT_EQ(bench.conclude(bench.coordinator.snapshot_cold(999'000)), 0) << "all are cold";
    EXPECT_EQ(bench.coordinator.redundant_below(), 1);
    EXPECT_EQ(bench.conclude(bench.coordinator.forget_topics({topic_id})), 1);
    EXPECT_EQ(bench.coordinator.size(), 0U);
}

// What a log gives that is read from any offset below which all is redundant.
TEST(ShareCoordinatorTest, TheLogGivesTheStatesAgain) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Bench bench(static_cast<std::int32_t>(random.between(0, 6)));
        std::int32_t epoch = 1;
        for (int i = 0; i < 60; ++i) {
            ShareKey of{random.chance(0.5) ? "g" : "h", topic_id,
                        static_cast<std::int32_t>(random.between(0, 1))};
            if (random.chance(0.1)) {
                bench.initialize(++epoch, random.between(-1, 5), of);
            } else if (random.chance(0.05)) {
                bench.conclude(bench.coordinator.remove(of));
            } else if (random.chance(0.2)) {
                bench.read(static_cast<std::int32_t>(random.between(0, i)), of);
            } else {
                Offset first = random.between(0, 50);
                bench.write({.state_epoch = epoch,
                             .leader_epoch = 100,
                             .start_offset = random.between(-1, i),
                             .delivery_complete_count = i,
                             .batches = {{first, first + random.between(0, 9),
                                          random.chance(0.5) ? RecordState::available
                                                             : RecordState::acknowledged,
                                          static_cast<std::int16_t>(random.between(1, 4))}}},
                            of);
            }
        }
        for (std::int64_t from :
             {std::int64_t{0}, bench.coordinator.redundant_below().value_or(0)}) {
            ShareCoordinator again(bench.options);
            again.set_image(bench.image);
            for (auto at = static_cast<std::size_t>(from); at < bench.log.size(); ++at)
                ASSERT_TRUE(again.apply(bench.log[at], static_cast<std::int64_t>(at)));
            ASSERT_EQ(again.size(), bench.coordinator.size());
            for (const std::string group : {"g", "h"}) {
                for (std::int32_t partition : {0, 1}) {
                    const auto* before = bench.coordinator.find({group, topic_id, partition});
                    const auto* after = again.find({group, topic_id, partition});
                    ASSERT_EQ(before == nullptr, after == nullptr);
                    if (before != nullptr) ASSERT_EQ(before->state, after->state);
                }
            }
        }
    }
}

TEST(ShareRecordsTest, AreThoseOfApache) {
    std::ifstream file(MILLRACE_SOURCE_DIR
                       "/src/server/recorded/dump_log/share/00000000000000000000.log",
                       std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(bytes.empty());
    BatchReader batches(Bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    int count = 0;
    for (;;) {
        auto batch = batches.next();
        ASSERT_TRUE(batch);
        if (!*batch) break;
        RecordReader records(**batch);
        for (;;) {
            auto next = records.next();
            ASSERT_TRUE(next);
            if (*next == nullptr) break;
            coordinator::Record record{Slice::copy(*(*next)->key), Slice::copy(*(*next)->value)};
            auto entry = parse(record);
            ASSERT_TRUE(entry && *entry);
            auto* snapshot = std::get_if<ShareSnapshot>(&(*entry)->what);
            coordinator::Record again =
                snapshot != nullptr
                    ? snapshot_record((*entry)->key, snapshot->state)
                    : update_record((*entry)->key, std::get<ShareUpdate>((*entry)->what).state);
            EXPECT_EQ(again.key.view(), record.key.view());
            EXPECT_EQ(again.value->view(), record.value->view());
            ++count;
        }
    }
    EXPECT_EQ(count, 6);
}

}  // namespace
}  // namespace millrace::share
