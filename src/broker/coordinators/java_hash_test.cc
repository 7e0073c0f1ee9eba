#include "broker/coordinators/java_hash.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(JavaHash, IsThatOfJava) {
    EXPECT_EQ(java_hash(""), 0);
    EXPECT_EQ(java_hash("hello"), 99162322);
    EXPECT_EQ(java_hash("polygenelubricants"), -2147483647 - 1);
    EXPECT_EQ(java_hash("gr\xc3\xbc\xc3\x9f"), 3186062);
    EXPECT_EQ(java_hash("\xf0\x9f\x98\x80"), 1772899);
    EXPECT_EQ(coordinator_partition("polygenelubricants", 50), 0);
    EXPECT_EQ(coordinator_partition("hello", 50), 22);
}

}  // namespace
}  // namespace millrace::broker
