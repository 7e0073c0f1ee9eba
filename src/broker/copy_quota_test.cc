#include "broker/copy_quota.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr Duration second = Duration::seconds(1);

TEST(CopyQuota, WhatIsWithinTheRateDoesNotWait) {
    CopyQuota quota(11, second);
    Time now = Time() + Duration::seconds(100);
    EXPECT_EQ(quota.wait(1000, now), Duration());
    quota.record(10'000, now);  // ten seconds' worth, of eleven windows
    EXPECT_EQ(quota.wait(1000, now), Duration());
    quota.record(1, now);
    EXPECT_GT(quota.wait(1000, now), Duration());
}

TEST(CopyQuota, OverTimeTheRateIsKept) {
    CopyQuota quota(11, second);
    Time begin = Time() + Duration::seconds(100);
    Time now = begin;
    std::uint64_t copied = 0;
    while (now - begin < Duration::seconds(200)) {
        Duration wait = quota.wait(1000, now);
        if (wait > Duration()) {
            now = now + wait;
            continue;
        }
        quota.record(300, now);
        copied += 300;
        now = now + Duration::milliseconds(10);
    }
    EXPECT_LT(copied, 235'000U);
    EXPECT_GT(copied, 150'000U);
}

TEST(CopyQuota, AHigherLimitSetsFreeAtOnce) {
    CopyQuota quota(11, second);
    Time now = Time() + Duration::seconds(100);
    quota.record(1'000'000, now);
    EXPECT_EQ(quota.wait(10, now), second * 11);
    EXPECT_EQ(quota.wait(1'000'000'000, now), Duration());
    EXPECT_EQ(quota.wait(10, now + second * 11), Duration());
}

}  // namespace
}  // namespace millrace::broker
