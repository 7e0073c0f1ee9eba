#include "core/replication/leader.h"

#include <gtest/gtest.h>

#include "core/replication/replication_for_tests.h"

namespace millrace::replication {
namespace {

using Outcome = LeaderActions::Outcome;

// Broker 1 leads; broker N was registered with epoch 100 + N.
class LeaderTest : public testing::Test {
  protected:
    LeaderTest() {
        for (std::int32_t id : {1, 2, 3}) image_ = with_broker(image_, id, 100 + id);
    }
    void lead(BrokerIds isr, std::int32_t min_isr = 1, Offset end = 0, Offset high_watermark = 0) {
        state_ = led_by(1, {1, 2, 3}, std::move(isr));
        leader_.emplace(1, StateChanged{state_, min_isr}, end, high_watermark, now_);
        min_isr_ = min_isr;
        moved(end);
    }
    LeaderActions step(const LeaderEvent& event) {
        return leader_->step(event, {now_, Duration::seconds(30), image_});
    }
    LeaderActions moved(Offset end) { return step(LogMoved{end, end}); }
    LeaderActions fetched(std::int32_t id, Offset offset) {
        return step(FollowerFetched{id, 100 + id, offset, 0});
    }
    LeaderActions answered(const IsrChange& change, ErrorCode error) {
        return step(ChangeAnswered{.error = error, .asked_epoch = change.partition_epoch});
    }
    LeaderActions granted(const IsrChange& change) {
        BrokerIds isr;
        for (const auto& member : change.isr) isr.push_back(member.id);
        return step(ChangeAnswered{.asked_epoch = change.partition_epoch,
                                   .isr = isr,
                                   .leader_epoch = 1,
                                   .partition_epoch = change.partition_epoch + 1});
    }
    void pass(Duration time) { now_ = now_ + time; }

    Time now_ = Time() + Duration::seconds(1'000);
    metadata::Image image_;
    metadata::Partition state_;
    std::int32_t min_isr_ = 1;
    std::optional<Leader> leader_;
};

TEST_F(LeaderTest, CommitsWhatAllInSyncHave) {
    lead({1, 2, 3});
    moved(10);
    EXPECT_EQ(leader_->high_watermark(), 0);
    fetched(2, 10);
    EXPECT_EQ(leader_->high_watermark(), 0) << "3 has not said what it has";
    EXPECT_TRUE(fetched(3, 7).high_watermark_moved);
    EXPECT_EQ(leader_->high_watermark(), 7);
    fetched(3, 10);
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, CountsOnlyWhatItHasOnStableStorageItself) {
    lead({1, 2});
    step(LogMoved{.end = 10, .counted = 4});
    fetched(2, 10);
    EXPECT_EQ(leader_->high_watermark(), 4);
    EXPECT_TRUE(step(LogMoved{.end = 10, .counted = 10}).high_watermark_moved);
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, AFollowerThatFallsBehindDoesNotTakeTheHighWatermarkBack) {
    lead({1, 2});
    moved(10);
    fetched(2, 10);
    EXPECT_FALSE(fetched(2, 3).high_watermark_moved);
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, StandsStillBelowTheMinimum) {
    lead({1}, 2);
    moved(10);
    EXPECT_EQ(leader_->high_watermark(), 0);
    auto joining = fetched(2, 10).change;
    ASSERT_TRUE(joining);
    EXPECT_EQ(leader_->high_watermark(), 0) << "the controller has not agreed";
    granted(*joining);
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, TheMinimumIsNeverMoreThanThereAreReplicas) {
    lead({1, 2, 3}, 5);
    moved(3);
    fetched(2, 3);
    fetched(3, 3);
    EXPECT_EQ(leader_->high_watermark(), 3);
}

TEST_F(LeaderTest, AFollowerJoinsOnceItHasWhatIsCommitted) {
    lead({1, 2});
    moved(10);
    fetched(2, 8);
    ASSERT_EQ(leader_->high_watermark(), 8);
    EXPECT_FALSE(fetched(3, 7).change);
    auto joining = fetched(3, 8).change;
    ASSERT_TRUE(joining);
    EXPECT_EQ(joining->isr, (std::vector<IsrChange::Member>{{1, 101}, {2, 102}, {3, 103}}));
    EXPECT_EQ(joining->partition_epoch, 1);
    EXPECT_FALSE(fetched(3, 9).change) << "one change at a time";
    EXPECT_EQ(leader_->isr(), (BrokerIds{1, 2}));
    EXPECT_EQ(leader_->maximal_isr(), (BrokerIds{1, 2, 3}));
    EXPECT_EQ(granted(*joining).outcome, Outcome::expanded);
    EXPECT_EQ(leader_->isr(), (BrokerIds{1, 2, 3}));
}

TEST_F(LeaderTest, WhoJoinsCountsBeforeTheControllerHasAgreed) {
    lead({1});
    moved(10);
    ASSERT_EQ(leader_->high_watermark(), 10);
    ASSERT_TRUE(fetched(2, 10).change);
    moved(20);
    EXPECT_EQ(leader_->high_watermark(), 10);
    fetched(2, 15);
    EXPECT_EQ(leader_->high_watermark(), 15);
}

TEST_F(LeaderTest, AFollowerThatLacksTheEpochsStartDoesNotJoin) {
    lead({1}, 1, 10, 4);
    EXPECT_EQ(leader_->high_watermark(), 10);
    EXPECT_FALSE(fetched(2, 9).change);
    EXPECT_TRUE(fetched(2, 10).change);
}

TEST_F(LeaderTest, BrokersThatAreFencedOrGoOrWereStartedAnewDoNotJoin) {
    lead({1});
    image_ = with_broker(image_, 2, 102, true);
    EXPECT_FALSE(fetched(2, 0).change);
    image_ = with_broker(image_, 2, 102, false, true);
    EXPECT_FALSE(fetched(2, 0).change);
    image_ = with_broker(image_, 2, 99);
    EXPECT_FALSE(fetched(2, 0).change) << "this image does not know the new life yet";
    image_ = with_broker(image_, 2, 102);
    EXPECT_TRUE(fetched(2, 0).change);
}

TEST_F(LeaderTest, AFetchOfAnEarlierLifeIsRefusedAndCountsForNothing) {
    lead({1, 2});
    moved(10);
    image_ = with_broker(image_, 2, 200);
    EXPECT_TRUE(fetched(2, 10).refused);
    EXPECT_EQ(leader_->high_watermark(), 0);
    EXPECT_FALSE(step(FollowerFetched{2, 200, 10, 0}).refused);
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, ASilentFollowerIsRemovedAndCountsUntilTheControllerHasAgreed) {
    lead({1, 2, 3});
    moved(10);
    fetched(2, 10);
    fetched(3, 4);
    ASSERT_EQ(leader_->high_watermark(), 4);
    pass(Duration::seconds(30));
    EXPECT_FALSE(step(LagChecked{}).change);
    fetched(2, 10);
    pass(Duration::milliseconds(1));
    auto leaving = step(LagChecked{}).change;
    ASSERT_TRUE(leaving);
    EXPECT_EQ(leaving->isr, (std::vector<IsrChange::Member>{{1, 101}, {2, 102}}));
    EXPECT_EQ(leader_->high_watermark(), 4);
    EXPECT_EQ(leader_->maximal_isr(), (BrokerIds{1, 2, 3}));
    LeaderActions done = granted(*leaving);
    EXPECT_EQ(done.outcome, Outcome::shrunk);
    EXPECT_TRUE(done.high_watermark_moved);
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, AFollowerThatKeepsUpWithEachEndThatItWasToldStays) {
    lead({1, 2});
    for (Offset end = 10; end < 200; end += 10) {
        moved(end);
        fetched(2, end - 10);  // never at the end, but always at the end before
        pass(Duration::seconds(10));
        EXPECT_FALSE(step(LagChecked{}).change) << end;
    }
}

TEST_F(LeaderTest, AFollowerThatNeverReachesTheEndIsRemoved) {
    lead({1, 2});
    moved(1'000);
    bool removed = false;
    for (Offset at = 0; at < 10 && !removed; ++at) {
        fetched(2, at);
        pass(Duration::seconds(10));
        removed = step(LagChecked{}).change.has_value();
    }
    EXPECT_TRUE(removed);
}

TEST_F(LeaderTest, WhatTheControllerDoesNotAnswerIsAskedAgain) {
    lead({1});
    auto joining = fetched(2, 0).change;
    ASSERT_TRUE(joining);
    LeaderActions again = answered(*joining, ErrorCode::network_exception);
    EXPECT_TRUE(again.retry);
    EXPECT_EQ(again.change, joining);
    EXPECT_TRUE(leader_->is_changing());
}

TEST_F(LeaderTest, ARefusalThatChangesNothingLetsTheNextFetchAskAgain) {
    lead({1});
    auto joining = fetched(2, 0).change;
    LeaderActions refused = answered(*joining, ErrorCode::ineligible_replica);
    EXPECT_EQ(refused.outcome, Outcome::failed);
    EXPECT_FALSE(refused.change);
    EXPECT_TRUE(fetched(2, 0).change);
}

TEST_F(LeaderTest, ALeaderThatIsBehindWaitsForTheControllersWord) {
    lead({1, 2});
    moved(10);
    fetched(2, 5);
    pass(Duration::seconds(31));
    auto leaving = step(LagChecked{}).change;
    ASSERT_TRUE(leaving);
    EXPECT_FALSE(answered(*leaving, ErrorCode::invalid_update_version).change);
    EXPECT_EQ(leader_->high_watermark(), 5) << "the larger ISR counts";
    EXPECT_FALSE(step(LagChecked{}).change);
    state_.isr = {1};
    state_.epoch = 2;
    step(StateChanged{state_, 1});
    EXPECT_FALSE(leader_->is_changing());
    EXPECT_EQ(leader_->high_watermark(), 10);
}

TEST_F(LeaderTest, TheImageMayBeAheadOfTheAnswer) {
    lead({1});
    auto joining = fetched(2, 0).change;
    state_.isr = {2, 1};
    state_.epoch = 2;
    EXPECT_EQ(step(StateChanged{state_, 1}).outcome, Outcome::expanded);
    EXPECT_EQ(granted(*joining).outcome, Outcome::none) << "told once";
    EXPECT_EQ(leader_->isr(), (BrokerIds{2, 1}));
}

TEST_F(LeaderTest, AnswersThatAreOlderThanWhatIsKnownCountForNothing) {
    lead({1});
    auto joining = fetched(2, 0).change;
    state_.isr = {1, 3};
    state_.epoch = 5;
    step(StateChanged{state_, 1});
    granted(*joining);
    EXPECT_EQ(leader_->isr(), (BrokerIds{1, 3}));
    answered(*joining, ErrorCode::ineligible_replica);
    EXPECT_EQ(leader_->partition_epoch(), 5);
    state_.isr = {1, 2};
    state_.epoch = 4;
    step(StateChanged{state_, 1});
    EXPECT_EQ(leader_->isr(), (BrokerIds{1, 3}));
}

TEST_F(LeaderTest, NewReplicasAreFollowedAndFormerOnesForgotten) {
    lead({1, 2});
    state_.replicas = {1, 2, 4};
    state_.epoch = 2;
    step(StateChanged{state_, 1});
    EXPECT_TRUE(leader_->knows(4));
    EXPECT_FALSE(leader_->knows(3));
}

TEST_F(LeaderTest, TheLowWatermarkIsThatOfLivingReplicas) {
    lead({1, 2, 3});
    step(FollowerFetched{2, 102, 0, 5});
    step(FollowerFetched{3, 103, 0, 3});
    EXPECT_EQ(leader_->low_watermark(8, image_), 3);
    image_ = with_broker(image_, 3, 103, true);
    EXPECT_EQ(leader_->low_watermark(8, image_), 5);
}

}  // namespace
}  // namespace millrace::replication
