#include "core/replication/follower.h"

#include <gtest/gtest.h>

namespace millrace::replication {
namespace {

constexpr Duration backoff = Duration::seconds(1);
const Time start = Time() + Duration::seconds(100);

struct FollowerTest : testing::Test {
    FollowerActions step(const FollowerEvent& event) { return follower.step(event, log, now); }

    Follower follower{7, backoff};
    FollowerLog log{.start = 0, .end = 20, .high_watermark = 15, .has_epochs = true};
    Time now = start;
};

TEST_F(FollowerTest, BeginsAtItsEnd) {
    EXPECT_FALSE(step(FollowingBegan{}).truncate_to);
    EXPECT_EQ(follower.need(now), Follower::Need::fetch);
}

TEST_F(FollowerTest, RecordsWithoutEpochsAreCutToWhatIsCommitted) {
    log.has_epochs = false;
    EXPECT_EQ(step(FollowingBegan{}).truncate_to, 15);
    log.end = 15;
    EXPECT_FALSE(step(FollowingBegan{}).truncate_to);
}

TEST_F(FollowerTest, AppendsAndLearnsWhatTheLeaderSays) {
    FollowerActions actions =
        step(FetchAnswered{.high_watermark = 18, .log_start = 4, .has_records = true});
    EXPECT_TRUE(actions.append);
    EXPECT_EQ(actions.high_watermark, 18);
    EXPECT_EQ(actions.log_start, 4);
    EXPECT_FALSE(step(FetchAnswered{.high_watermark = 18}).append);
}

TEST_F(FollowerTest, CutsWhereTheEpochEndsEarlierOnEitherSide) {
    EXPECT_EQ(kafka_rules.cut({3, 12}, EpochEnd{3, 20}, 20), 12);
    EXPECT_EQ(kafka_rules.cut({3, 30}, EpochEnd{3, 17}, 20), 17);
    EXPECT_EQ(kafka_rules.cut({3, 30}, EpochEnd{3, 20}, 20), 20) << "only an epoch to forget";
}

TEST_F(FollowerTest, AnEpochThatOnlyTheLeaderHasGoesOneStepBack) {
    EXPECT_EQ(kafka_rules.cut({3, 12}, EpochEnd{2, 9}, 20), 9);
    EXPECT_EQ(kafka_rules.cut({3, 12}, std::nullopt, 20), 12);
}

TEST_F(FollowerTest, TruncatesBeforeItAppendsAnything) {
    FollowerActions actions = step(FetchAnswered{.high_watermark = 18,
                                                 .log_start = 0,
                                                 .has_records = true,
                                                 .diverging = EpochEnd{3, 12},
                                                 .own = EpochEnd{3, 20}});
    EXPECT_EQ(actions.truncate_to, 12);
    EXPECT_FALSE(actions.append);
    EXPECT_FALSE(actions.high_watermark);
    actions = step(FetchAnswered{.diverging = EpochEnd{-1, -1}});
    EXPECT_EQ(actions.truncate_to, 15) << "what is committed stays where nothing is known";
}

TEST_F(FollowerTest, AsksWhereTheLeadersLogLiesWhenItIsOutside) {
    step(FetchAnswered{.error = ErrorCode::offset_out_of_range});
    EXPECT_EQ(follower.need(now), Follower::Need::offsets);
    EXPECT_EQ(step(OffsetsAnswered{.start = 0, .end = 11}).truncate_to, 11);
    EXPECT_EQ(follower.need(now), Follower::Need::fetch);

    step(FetchAnswered{.error = ErrorCode::offset_out_of_range});
    FollowerActions behind = step(OffsetsAnswered{.start = 40, .end = 50});
    EXPECT_EQ(behind.begin_anew_at, 40);
    EXPECT_FALSE(behind.truncate_to);

    step(FetchAnswered{.error = ErrorCode::offset_out_of_range});
    FollowerActions caught_up = step(OffsetsAnswered{.start = 5, .end = 50});
    EXPECT_FALSE(caught_up.begin_anew_at || caught_up.truncate_to);
    EXPECT_EQ(follower.need(now), Follower::Need::fetch);
}

TEST_F(FollowerTest, GoesOnBehindWhatTheLeaderHasInRemoteStorageOnly) {
    step(FetchAnswered{.error = ErrorCode::offset_moved_to_tiered_storage});
    EXPECT_EQ(follower.need(now), Follower::Need::offsets);
    OffsetsAnswered told{.start = 5, .local_start = 40, .local_epoch = 3, .end = 50};
    FollowerActions actions = step(told);
    EXPECT_EQ(actions.begin_behind, (TieredBeginning{5, 40, 3}));
    EXPECT_FALSE(actions.begin_anew_at || actions.truncate_to);
    EXPECT_EQ(follower.need(now), Follower::Need::fetch);

    // Where the whole log has moved on it begins there at once.
    told.start = 30;
    EXPECT_EQ(step(told).begin_behind, (TieredBeginning{30, 40, 3}));
    // Nothing is in remote storage; nothing of what comes next is.
    told.local_start = 30;
    EXPECT_EQ(step(told).begin_anew_at, 30);
    EXPECT_FALSE(step(told).begin_behind);
    told = {.start = 0, .local_start = 15, .local_epoch = 3, .end = 50};
    EXPECT_FALSE(step(told).begin_behind || step(told).begin_anew_at);
    // A leader that was not in sync.
    told = {.start = 0, .local_start = 9, .local_epoch = 3, .end = 11};
    EXPECT_EQ(step(told).truncate_to, 11);
}

TEST_F(FollowerTest, PausesAfterErrors) {
    step(FetchAnswered{.error = ErrorCode::kafka_storage_error});
    EXPECT_EQ(follower.need(now), Follower::Need::nothing);
    EXPECT_EQ(follower.resumes_at(), now + backoff);
    now = now + backoff;
    EXPECT_EQ(follower.need(now), Follower::Need::fetch);
    step(RecordsRefused{});
    EXPECT_EQ(follower.need(now), Follower::Need::nothing);
    now = now + backoff;
    step(FetchAnswered{.error = ErrorCode::offset_out_of_range});
    step(OffsetsAnswered{.error = ErrorCode::kafka_storage_error});
    EXPECT_EQ(follower.need(now), Follower::Need::nothing);
    now = now + backoff;
    EXPECT_EQ(follower.need(now), Follower::Need::offsets);
}

TEST_F(FollowerTest, ComesBackSoonToALeaderThatDoesNotKnowYet) {
    Duration before;
    for (int i = 0; i < 10; ++i) {
        step(FetchAnswered{.error = ErrorCode::unknown_leader_epoch});
        Duration pause = follower.resumes_at() - now;
        EXPECT_LE(pause, backoff);
        EXPECT_TRUE(pause > before || pause == backoff);
        before = pause;
        now = follower.resumes_at();
    }
    EXPECT_EQ(before, backoff);
    step(FetchAnswered{});
    step(FetchAnswered{.error = ErrorCode::not_leader_or_follower});
    EXPECT_LT(follower.resumes_at() - now, Duration::milliseconds(100));
}

TEST_F(FollowerTest, WaitsForTheControllerWhenTheLeaderHasALaterEpoch) {
    step(FetchAnswered{.error = ErrorCode::fenced_leader_epoch});
    EXPECT_EQ(follower.need(now + Duration::seconds(3600)), Follower::Need::nothing);
    EXPECT_EQ(follower.resumes_at(), Time::never());
}

}  // namespace
}  // namespace millrace::replication
