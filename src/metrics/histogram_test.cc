#include "metrics/histogram.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "base/random.h"

namespace millrace::metrics {
namespace {

Time at_second(std::int64_t seconds) { return Time::from_ns(seconds * 1'000'000'000); }

TEST(Histogram, IsEmptyAtFirst) {
    Histogram histogram;
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.percentile(0.99), 0);
    EXPECT_EQ(histogram.standard_deviation(), 0);
}

TEST(Histogram, IsExactForSmallWholeNumbers) {
    Histogram histogram;
    for (int i = 0; i <= 50; ++i) histogram.update(i);
    EXPECT_EQ(histogram.percentile(0.5), 25);
    EXPECT_EQ(histogram.percentile(1), 50);
    EXPECT_EQ(histogram.min(), 0);
    EXPECT_EQ(histogram.max(), 50);
    EXPECT_EQ(histogram.mean(), 25);
}

TEST(Histogram, IsNearTheTruthForAnyValues) {
    constexpr std::uint64_t seed = 4711;
    SCOPED_TRACE(seed);
    Random random(seed);
    Histogram histogram;
    std::vector<double> values;
    for (int i = 0; i < 20'000; ++i) {
        values.push_back(std::exp(random.unit() * 30 - 8));
        histogram.update(values.back());
    }
    std::ranges::sort(values);
    for (double fraction : {0.5, 0.75, 0.95, 0.99, 0.999}) {
        double truth = values[static_cast<std::size_t>(fraction * 20'000) - 1];
        EXPECT_LE(histogram.percentile(fraction), truth * 1.001);
        EXPECT_GE(histogram.percentile(fraction), truth * (1 - 1.0 / 16));
    }
    double mean = std::accumulate(values.begin(), values.end(), 0.0) / 20'000;
    double squares = 0;
    for (double value : values) squares += (value - mean) * (value - mean);
    EXPECT_NEAR(histogram.mean() / mean, 1, 1e-9);
    EXPECT_NEAR(histogram.standard_deviation() / std::sqrt(squares / 19'999), 1, 1e-9);
}

TEST(Histogram, ForgetsOldValues) {
    Histogram histogram;
    histogram.tick(at_second(1));
    for (int i = 0; i < 1000; ++i) histogram.update(40);
    histogram.tick(at_second(601));
    for (int i = 0; i < 10; ++i) histogram.update(2);
    EXPECT_EQ(histogram.percentile(0.5), 2);
    EXPECT_EQ(histogram.max(), 40);
    EXPECT_EQ(histogram.count(), 1010U);
    // Long after the weights had to be scaled down, old values alone still have percentiles.
    for (std::int64_t second = 700; second < 20'000; second += 50)
        histogram.tick(at_second(second));
    EXPECT_GT(histogram.percentile(0.5), 0);
    histogram.update(7);
    EXPECT_EQ(histogram.percentile(0.5), 7);
}

TEST(Histogram, TakesWhateverComes) {
    Histogram histogram;
    for (double value :
         {0.0, -5.0, 1e-300, 1e300, std::nan(""), std::numeric_limits<double>::infinity()}) {
        histogram.update(value);
    }
    EXPECT_EQ(histogram.count(), 4U);
    EXPECT_EQ(histogram.min(), -5);
}

TEST(Histogram, MergesAsIfAllHadComeToOne) {
    Histogram one;
    Histogram other;
    Histogram all;
    for (int i = 0; i < 100; ++i) {
        (i % 3 == 0 ? one : other).update(i);
        all.update(i);
    }
    Histogram merged;
    merged.merge(one);
    merged.merge(Histogram());
    merged.merge(other);
    EXPECT_EQ(merged.count(), all.count());
    EXPECT_EQ(merged.min(), 0);
    EXPECT_EQ(merged.max(), 99);
    EXPECT_NEAR(merged.mean(), all.mean(), 1e-9);
    EXPECT_NEAR(merged.standard_deviation(), all.standard_deviation(), 1e-9);
    for (double fraction : {0.1, 0.5, 0.9}) {
        EXPECT_EQ(merged.percentile(fraction), all.percentile(fraction));
    }
}

}  // namespace
}  // namespace millrace::metrics
