#include "storage/retention.h"

#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace millrace::storage {
namespace {

constexpr Offset everything = std::numeric_limits<Offset>::max();

class RetentionTest : public testing::Test {
  protected:
    // Segments of ten offsets and 100 bytes each; the last one may be smaller.
    RetentionTest() {
        for (Offset base = 0; base < 50; base += 10) {
            segments_.push_back({.base = base, .end = base + 10, .size = 100});
        }
        segments_.back().is_last = true;
    }
    ExpiredSegments choose(Offset start, Offset bound, RetentionLimits limits) {
        asked_.clear();
        auto largest = [this](std::size_t index) -> Result<Timestamp> {
            asked_.push_back(index);
            return times_[index];
        };
        return expired_segments(segments_, start, bound, limits, now_, largest).value();
    }

    std::vector<RetainedSegment> segments_;
    std::vector<Timestamp> times_{1000, 2000, 1500, 4000, 5000};
    std::vector<std::size_t> asked_;
    Timestamp now_ = 6000;
};

TEST_F(RetentionTest, WithoutLimitsOnlyWhatLiesBelowTheStartGoes) {
    EXPECT_EQ(choose(0, everything, {}).count(), 0U);
    EXPECT_EQ(choose(9, everything, {}).count(), 0U);
    EXPECT_EQ(choose(10, everything, {}).below_start, 1U);
    EXPECT_EQ(choose(39, everything, {}).below_start, 3U);
    EXPECT_EQ(choose(50, everything, {}).below_start, 4U);  // never the last one for this reason
    EXPECT_TRUE(asked_.empty());
}

TEST_F(RetentionTest, SizeKeepsAtLeastItsLimit) {
    EXPECT_EQ(choose(0, everything, {.bytes = 500}).count(), 0U);
    EXPECT_EQ(choose(0, everything, {.bytes = 401}).count(), 0U);
    EXPECT_EQ(choose(0, everything, {.bytes = 400}).beyond_size, 1U);
    EXPECT_EQ(choose(0, everything, {.bytes = 150}).beyond_size, 3U);
    EXPECT_EQ(choose(0, everything, {.bytes = 0}).beyond_size, 5U);
    EXPECT_EQ(choose(0, everything, {.bytes = 1'000'000}).count(), 0U);
}

TEST_F(RetentionTest, AgeIsThatOfTheYoungestRecordAndStopsAtTheFirstThatStays) {
    EXPECT_EQ(choose(0, everything, {.ms = 5000}).count(), 0U);
    EXPECT_EQ(asked_, (std::vector<std::size_t>{0}));
    EXPECT_EQ(choose(0, everything, {.ms = 4999}).beyond_age, 1U);
    EXPECT_EQ(choose(0, everything, {.ms = 3999}).beyond_age, 3U);
    EXPECT_EQ(asked_, (std::vector<std::size_t>{0, 1, 2, 3}));
    EXPECT_EQ(choose(0, everything, {.ms = 0}).beyond_age, 5U);
    times_[1] = now_ + 1'000'000;  // in the future
    EXPECT_EQ(choose(0, everything, {.ms = 0}).beyond_age, 1U);
    times_[0] = std::numeric_limits<Timestamp>::min();
    times_[1] = std::numeric_limits<Timestamp>::max();
    EXPECT_EQ(choose(0, everything, {.ms = 0}).beyond_age, 1U);
}

TEST_F(RetentionTest, NothingGoesThatEndsAboveTheBound) {
    EXPECT_EQ(choose(30, 25, {.ms = 0, .bytes = 0}).count(), 2U);
    EXPECT_EQ(choose(0, 9, {.ms = 0, .bytes = 0}).count(), 0U);
    EXPECT_EQ(choose(0, 49, {.bytes = 0}).count(), 4U);
    EXPECT_EQ(choose(0, 50, {.bytes = 0}).count(), 5U);
}

TEST_F(RetentionTest, AnEmptyLastSegmentStays) {
    segments_.back() = {.base = 40, .end = 40, .size = 0, .is_last = true};
    EXPECT_EQ(choose(0, everything, {.bytes = 0}).count(), 4U);
    EXPECT_EQ(choose(0, everything, {.ms = 0}).count(), 4U);
    segments_.erase(segments_.begin(), segments_.end() - 1);
    EXPECT_EQ(choose(0, everything, {.ms = 0, .bytes = 0}).count(), 0U);
}

TEST_F(RetentionTest, ReasonsComeOneAfterTheOther) {
    ExpiredSegments expired = choose(15, everything, {.ms = 3999, .bytes = 300});
    EXPECT_EQ(expired.below_start, 1U);
    EXPECT_EQ(expired.beyond_size, 1U);
    EXPECT_EQ(expired.beyond_age, 1U);
    EXPECT_EQ(asked_, (std::vector<std::size_t>{2, 3}));
}

TEST_F(RetentionTest, ATimestampThatCannotBeReadIsAnError) {
    auto broken = [](std::size_t) -> Result<Timestamp> {
        return fail(ErrorCode::kafka_storage_error, "unreadable");
    };
    auto expired = expired_segments(segments_, 0, everything, {.ms = 0}, now_, broken);
    EXPECT_EQ(expired.error().code, ErrorCode::kafka_storage_error);
}

}  // namespace
}  // namespace millrace::storage
