#include "cli/times.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

// The numbers are those of Java's SimpleDateFormat and Duration.

TEST(Times, DateTimesAreUtcUnlessTheySayMore) {
    EXPECT_EQ(parse_date_time("1970-01-01T00:00:00.000"), 0);
    EXPECT_EQ(parse_date_time("2020-01-01T00:00:00.000"), 1'577'836'800'000);
    EXPECT_EQ(parse_date_time("2024-02-29T23:59:59.999Z"), 1'709'251'199'999);
    EXPECT_EQ(parse_date_time("2024-02-29T23:59:59.999+01:00"), 1'709'247'599'999);
    EXPECT_EQ(parse_date_time("2024-02-29T23:59:59-0130"), 1'709'256'599'000);
    EXPECT_EQ(parse_date_time("2024-02-29T23:59:59.5+01"), 1'709'247'599'500);
    EXPECT_EQ(parse_date_time("1969-12-31T23:59:59.999"), -1);
}

TEST(Times, WrongDateTimesAreRefused) {
    for (const char* text :
         {"", "2024-02-29", "2023-02-29T00:00:00.000", "2024-13-01T00:00:00.000",
          "2024-01-01T24:00:00.000", "2024-01-01T00:60:00.000", "2024-01-01T00:00:00.",
          "2024-01-01T00:00:00.000X", "2024-01-01T00:00:00.000+1", "24-01-01T00:00:00.000",
          "2024-00-01T00:00:00.000", "2024-01-01T00:00:00.000Zx", "2024-01-01 00:00:00.000"}) {
        EXPECT_FALSE(parse_date_time(text)) << text;
    }
}

TEST(Times, DurationsAreIso8601) {
    EXPECT_EQ(parse_duration("PT1S"), 1'000);
    EXPECT_EQ(parse_duration("P1DT2H3M4.5S"), 93'784'500);
    EXPECT_EQ(parse_duration("P2D"), 172'800'000);
    EXPECT_EQ(parse_duration("-PT6H"), -21'600'000);
    EXPECT_EQ(parse_duration("PT-6H+3M"), -21'420'000);
    EXPECT_EQ(parse_duration("-PT-6H"), 21'600'000);
    EXPECT_EQ(parse_duration("pt0.25s"), 250);
    for (const char* text : {"", "P", "PT", "1S", "P1S", "PT1D", "P1H", "PT1.5H", "PT1", "P1DT",
                             "PT99999999999999999S", "PT1S ", "P1Y"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::cli
