#include "storage/remote/rate_quota.h"

#include <gtest/gtest.h>

namespace millrace::storage::remote {
namespace {

Time at_ms(std::int64_t ms) { return Time::from_ns(ms * 1'000'000); }

TEST(RateQuota, WaitsUntilTheRateIsBelowTheBound) {
    RateQuota quota(1'000, {.samples = 11, .size = Duration::seconds(1)});
    EXPECT_EQ(quota.throttle(at_ms(0)), Duration());
    quota.record(20'000, at_ms(0));  // 2,000 a second over the ten seconds of a window
    Duration wait = quota.throttle(at_ms(0));
    EXPECT_EQ(wait.ms(), 10'000);
    EXPECT_GT(quota.throttle(at_ms(5'000)), Duration());
    EXPECT_EQ(quota.throttle(at_ms(11'000)), Duration()) << "the sample has left the window";
}

TEST(RateQuota, LetsThroughWhatTheBoundAllows) {
    RateQuota quota(1'000, {});
    std::uint64_t through = 0;
    for (std::int64_t ms = 0; ms < 100'000; ms += 100) {
        if (quota.throttle(at_ms(ms)) > Duration()) continue;
        quota.record(500, at_ms(ms));
        through += 500;
    }
    EXPECT_GT(through, 90'000U);
    EXPECT_LT(through, 120'000U);
    quota.set(1 << 30);
    EXPECT_EQ(quota.throttle(at_ms(100'000)), Duration());
}

}  // namespace
}  // namespace millrace::storage::remote
