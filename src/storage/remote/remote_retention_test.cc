#include "storage/remote/remote_retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/remote/metadata_for_tests.h"

namespace millrace::storage::remote {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using enum RemoteLogSegmentState;

class RemoteRetentionTest : public testing::Test {
  protected:
    RemoteRetentionTest() {
        epochs_.assign(0, 0);
        retention_.epochs = &epochs_;
        retention_.being_copied = &being_copied_;
        retention_.log_end = 1'000;
        retention_.now = 100'000;
        retention_.broker_id = 1;
    }
    // Five segments of a hundred records and a thousand bytes; the records of the n-th are of
    // second n.
    void five() {
        for (std::uint64_t i = 0; i < 5; ++i) {
            auto start = static_cast<Offset>(i) * 100;
            copy_into(segments_, segment_metadata({.id = i,
                                                   .start = start,
                                                   .end = start + 99,
                                                   .max_timestamp = start * 10 + 999}));
        }
    }
    std::vector<std::uint64_t> choose() {
        expiry_ = choose_expired(segments_, retention_);
        std::vector<std::uint64_t> ids;
        for (const auto* each : expiry_.segments) ids.push_back(each->segment.id.low);
        return ids;
    }

    RemoteLogSegments segments_;
    LeaderEpochs epochs_;
    std::set<Uuid> being_copied_;
    RemoteRetention retention_;
    RemoteExpiry expiry_;
};

TEST_F(RemoteRetentionTest, KeepsEverythingWithoutBounds) {
    five();
    EXPECT_THAT(choose(), IsEmpty());
    EXPECT_EQ(expiry_.log_start, std::nullopt);
    EXPECT_EQ(expiry_.total_bytes, 5'000U);
}

TEST_F(RemoteRetentionTest, RemovesByAge) {
    five();
    retention_.retention_ms = 100'000 - 2'000;
    EXPECT_THAT(choose(), ElementsAre(0, 1));
    EXPECT_EQ(expiry_.log_start, 200);
    retention_.retention_ms = 100'000 - 1'999;
    EXPECT_THAT(choose(), ElementsAre(0));
}

TEST_F(RemoteRetentionTest, RemovesBySizeOfTheWholeLog) {
    five();
    retention_.only_local_bytes = 500;
    retention_.retention_bytes = 3'500;
    EXPECT_THAT(choose(), ElementsAre(0, 1));
    EXPECT_EQ(expiry_.log_start, 200);
    EXPECT_EQ(expiry_.total_bytes, 5'500U);
    retention_.retention_bytes = 3'501;
    EXPECT_THAT(choose(), ElementsAre(0)) << "a segment goes only when all of it is too much";
    retention_.retention_bytes = 0;
    EXPECT_THAT(choose(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(RemoteRetentionTest, WhatGoesByAgeCountsForTheSize) {
    five();
    retention_.retention_ms = 100'000 - 2'000;
    retention_.retention_bytes = 3'000;
    EXPECT_THAT(choose(), ElementsAre(0, 1));
}

TEST_F(RemoteRetentionTest, RemovesWhatLiesBelowTheLogsStart) {
    five();
    retention_.log_start = 250;
    epochs_.truncate_from_start(250);
    EXPECT_THAT(choose(), ElementsAre(0, 1));
    EXPECT_EQ(expiry_.log_start, std::nullopt);
}

TEST_F(RemoteRetentionTest, StopsAtASegmentThatIsBeingCopied) {
    five();
    auto sixth = segment_metadata({.id = 5, .start = 500, .end = 599});
    ASSERT_TRUE(segments_.apply(sixth));
    being_copied_.insert(sixth.segment.id);
    retention_.retention_ms = 0;
    EXPECT_THAT(choose(), ElementsAre(0, 1, 2, 3, 4));
    EXPECT_EQ(expiry_.log_start, 500);
}

TEST_F(RemoteRetentionTest, TakesUpWhatWasLeftUnfinished) {
    five();
    auto abandoned = segment_metadata({.id = 7, .start = 500, .end = 599});
    auto of_another = segment_metadata({.id = 8, .start = 500, .end = 599, .broker_id = 2});
    ASSERT_TRUE(segments_.apply(abandoned));
    ASSERT_TRUE(segments_.apply(of_another));
    auto third = segment_metadata({.id = 2, .start = 200, .end = 299});
    ASSERT_TRUE(segments_.apply(update_of(third, delete_segment_started)));
    EXPECT_THAT(choose(), ElementsAre(2, 7));
}

TEST_F(RemoteRetentionTest, RemovesWhatEarlierHistoriesLeft) {
    five();
    epochs_ = {};
    epochs_.assign(3, 0);
    epochs_.assign(4, 700);
    copy_into(segments_,
              segment_metadata({.id = 20, .start = 0, .end = 99, .epoch = 3, .size = 10}));
    EXPECT_THAT(choose(), ElementsAre(0, 1, 2, 3, 4));
    EXPECT_EQ(expiry_.log_start, std::nullopt);
    EXPECT_EQ(expiry_.total_bytes, 10U);
}

TEST_F(RemoteRetentionTest, KeepsWhatALogWithoutItsFirstEpochsMayStillNeed) {
    five();
    epochs_ = {};
    epochs_.assign(3, 400);
    EXPECT_THAT(choose(), IsEmpty());
    retention_.log_start = 400;
    EXPECT_THAT(choose(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(RemoteRetentionTest, NeitherCountsNorRemovesWhatAnotherHistoryMayStillNeed) {
    epochs_.assign(2, 100);
    // Of epoch 1, which this log does not have.
    copy_into(segments_, segment_metadata({.id = 1, .start = 0, .end = 99, .epoch = 1}));
    retention_.retention_bytes = 0;
    retention_.retention_ms = 0;
    EXPECT_THAT(choose(), IsEmpty());
    EXPECT_EQ(expiry_.total_bytes, 0U);
}

}  // namespace
}  // namespace millrace::storage::remote
