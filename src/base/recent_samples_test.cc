#include "base/recent_samples.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

Time at(std::int64_t ms) { return Time() + Duration::milliseconds(ms); }

TEST(RecentSamples, ForgetsWhatIsOlderThanAMinute) {
    RecentSamples samples;
    EXPECT_EQ(samples.average(at(0)), std::nullopt);
    samples.add(10, at(0));
    samples.add(30, at(1'000));
    EXPECT_EQ(samples.average(at(2'000)), 20);
    EXPECT_EQ(samples.max(at(2'000)), 30);
    samples.add(2, at(40'000));
    EXPECT_EQ(samples.average(at(50'000)), 14);
    EXPECT_EQ(samples.max(at(61'000)), 2);
    EXPECT_EQ(samples.max(at(101'000)), std::nullopt);
}

TEST(RecentSamples, ARateIsOfHalfAMinuteAtLeast) {
    RecentSamples samples;
    samples.add(60, at(0));
    EXPECT_DOUBLE_EQ(samples.rate(at(1'000)), 2);
    EXPECT_DOUBLE_EQ(samples.rate(at(50'000)), 1.2);
    EXPECT_DOUBLE_EQ(samples.rate(at(100'000)), 0);
}

}  // namespace
}  // namespace millrace
