// Records of __remote_log_metadata: written by one, seen by all who follow their partition.

#include "broker/remote/metadata_log.h"

#include <gtest/gtest.h>

#include "broker/remote/tiered_bench_for_tests.h"
#include "storage/remote/metadata_for_tests.h"

namespace millrace::broker {
namespace {

using storage::remote::RemoteLogMetadata;
using storage::remote::RemoteLogSegmentState;
using storage::remote::RemotePartition;

class MetadataLogTest : public TieredBenchTest {
  protected:
    // Of another topic than the bench's own.
    static storage::remote::RemoteLogSegmentMetadata segment(std::uint64_t id,
                                                             std::int32_t partition = 0) {
        auto metadata =
            storage::remote::segment_metadata({.id = id,
                                               .start = static_cast<storage::Offset>(id) * 10,
                                               .end = static_cast<storage::Offset>(id) * 10 + 9});
        metadata.segment.partition = partition;
        return metadata;
    }
    static RemotePartition orders(std::int32_t partition = 0) {
        return {"orders", {7, 7}, partition};
    }
};

TEST_F(MetadataLogTest, WhatIsPublishedIsFollowed) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        auto followed = bench.metadata_log.follow(orders());
        co_await followed->changed.until([&] { return followed->ready; });
        EXPECT_TRUE(followed->segments.empty());
        EXPECT_TRUE(co_await bench.metadata_log.publish(*followed, {segment(1), segment(2)}));
        EXPECT_EQ(followed->segments.all().size(), 2U) << "applied when publish() ends";
        EXPECT_TRUE(co_await bench.metadata_log.publish(
            *followed, {update_of(segment(1), RemoteLogSegmentState::copy_segment_finished)}));
        EXPECT_NE(followed->segments.find(0, 15), nullptr);
        EXPECT_EQ(followed->segments.find(0, 25), nullptr);

        // Who comes later reads it from the beginning, and only what is about his partition.
        EXPECT_TRUE(co_await bench.metadata_log.append(orders(1), {segment(3, 1)}));
        auto late = bench.metadata_log.follow(orders(1));
        co_await late->changed.until([&] { return late->ready; });
        EXPECT_EQ(late->segments.all().size(), 1U);
        EXPECT_EQ(followed->segments.all().size(), 2U);
        bench.metadata_log.unfollow(*late);
        bench.metadata_log.unfollow(*followed);
    });
}

TEST_F(MetadataLogTest, RecordsThatCannotFollowArePassedOver) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        auto followed = bench.metadata_log.follow(orders());
        EXPECT_TRUE(co_await bench.metadata_log.publish(
            *followed,
            {update_of(segment(9), RemoteLogSegmentState::copy_segment_finished), segment(1)}));
        EXPECT_EQ(followed->segments.all().size(), 1U);
        // Nor does a record that is none hold up those behind it.
        auto there = bench.partitions.find({TieredBench::metadata_topic_id, 0});
        EXPECT_TRUE(co_await there->append_own(storage::make_batch({.records = 2})));
        EXPECT_TRUE(co_await bench.metadata_log.publish(*followed, {segment(2)}));
        EXPECT_EQ(followed->segments.all().size(), 2U);
        bench.metadata_log.unfollow(*followed);
    });
}

TEST_F(MetadataLogTest, WhoDoesNotLeadItIsTold) {
    run("", {}, [](TieredBench& bench) -> Task<void> {
        auto there = bench.partitions.find({TieredBench::metadata_topic_id, 0});
        metadata::Partition state = there->state();
        state.leader = 2;
        there->update(state);
        auto appended = co_await bench.metadata_log.append(orders(), {segment(1)});
        EXPECT_EQ(appended.error().code, ErrorCode::not_leader_or_follower);
        auto read = co_await bench.metadata_log.read(0, 0, true);
        EXPECT_EQ(read.error().code, ErrorCode::not_leader_or_follower);
        state.leader = 1;
        state.leader_epoch = 1;
        there->update(state);
        EXPECT_TRUE(co_await bench.metadata_log.append(orders(), {segment(1)}));
    });
}

}  // namespace
}  // namespace millrace::broker
