#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/java_format.h"
#include "cli/latency_figures.h"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

TEST(LatencyFigures, AreThoseOfKafkasTool) {
    LatencyFigures figures(1000, 4, " steady state");
    for (std::int64_t ms : {4, 2, 8, 6}) figures.add(ms, 1048576);
    EXPECT_TRUE(figures.window_lasted(3000, 2000));
    EXPECT_FALSE(figures.window_lasted(2999, 2000));
    EXPECT_EQ(figures.window_line(3000),
              "4 steady state records sent, 2.0 records/sec (2.00 MB/sec), 5.0 ms avg latency, "
              "8.0 ms max latency.");
    figures.begin_window(3000);
    figures.add(10, 0);
    EXPECT_EQ(figures.window_count(), 1);
    EXPECT_EQ(figures.total_line(6000),
              "5 steady state records sent, 1.000000 records/sec (0.80 MB/sec), 6.00 ms avg "
              "latency, 10.00 ms max latency, 6 ms 50th, 10 ms 95th, 10 ms 99th, 10 ms 99.9th.");
}

TEST(LatencyFigures, WithoutRecordsHaveNoAverage) {
    EXPECT_THAT(LatencyFigures(0, 1).total_line(1000),
                HasSubstr("0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg"));
}

TEST(JavaNumber, WritesWhatIsNoNumberAsJavaDoes) {
    EXPECT_EQ(java_number(1.25, 4), "1.2500");
    EXPECT_EQ(java_number(INFINITY, 4), "Infinity");
    EXPECT_EQ(java_number(-INFINITY, 4), "-Infinity");
    EXPECT_EQ(java_number(NAN, 4), "NaN");
}

std::string formatted(std::string_view pattern, Timestamp time, Duration ahead = {}) {
    auto format = JavaDateFormat::parse(pattern);
    return format ? format->format(time, ahead) : format.error().message;
}

TEST(JavaDateFormat, FollowsThePattern) {
    constexpr Timestamp time = 1796087802564;  // 2026-12-01T01:16:42.564Z
    EXPECT_EQ(formatted("yyyy-MM-dd HH:mm:ss:SSS", time), "2026-12-01 01:16:42:564");
    EXPECT_EQ(formatted("d.M.yy h:mm a 'o''clock' ''", time), "1.12.26 1:16 AM o'clock '");
    EXPECT_EQ(formatted("HH:mm:ss.SSS", -1), "23:59:59.999");
    EXPECT_EQ(formatted("dd HH:mm", time, Duration::seconds(-2 * 3600)), "30 23:16");
    EXPECT_THAT(formatted("yyyy EEE", time), HasSubstr("has the letter E, but only"));
    EXPECT_THAT(formatted("'open", time), HasSubstr("has no end"));
}

}  // namespace
}  // namespace millrace::cli
