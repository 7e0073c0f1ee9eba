#include "broker/replication_quota.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr Duration second = Duration::seconds(1);

TEST(ReplicationQuota, BytesCountOverOneWindowAtLeast) {
    ReplicationQuota quota(11, second);
    Time now = Time() + Duration::seconds(100);
    EXPECT_EQ(quota.rate(now), 0);
    quota.record(600, now);
    quota.record(400, now);
    EXPECT_EQ(quota.rate(now), 1000);
    EXPECT_FALSE(quota.is_exceeded(1000, now));
    EXPECT_TRUE(quota.is_exceeded(999, now));
    EXPECT_EQ(quota.rate(now + second * 4), 250);
}

TEST(ReplicationQuota, WhatIsOlderThanTheWindowsIsForgotten) {
    ReplicationQuota quota(3, second);
    Time now = Time() + Duration::seconds(100);
    quota.record(900, now);
    quota.record(300, now + second * 2);
    EXPECT_EQ(quota.rate(now + second * 2), 600);
    EXPECT_EQ(quota.rate(now + second * 3), 300) << "the first window has passed";
    EXPECT_EQ(quota.rate(now + second * 9), 0);
    quota.record(70, now + second * 9);
    EXPECT_EQ(quota.rate(now + second * 9), 70) << "its place is taken";
}

// Whoever asks each time before it sends keeps to the rate.
TEST(ReplicationQuota, OverTimeTheRateIsKept) {
    ReplicationQuota quota(11, second);
    Time begin = Time() + Duration::seconds(100);
    std::uint64_t sent = 0;
    for (Time now = begin; now - begin < Duration::seconds(200);
         now = now + Duration::milliseconds(10)) {
        if (quota.is_exceeded(1000, now)) continue;
        quota.record(300, now);
        sent += 300;
    }
    EXPECT_LT(sent, 215'000U);
    EXPECT_GT(sent, 190'000U);
}

}  // namespace
}  // namespace millrace::broker
