#include "base/java_hash.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(JavaHash, IsThatOfJava) {
    EXPECT_EQ(java_hash(""), 0);
    EXPECT_EQ(java_hash("hello"), 99162322);
    EXPECT_EQ(java_hash("polygenelubricants"), -2147483647 - 1);
    EXPECT_EQ(java_hash("gr\xc3\xbc\xc3\x9f"), 3186062);
    EXPECT_EQ(java_hash("\xf0\x9f\x98\x80"), 1772899);
}

TEST(JavaChars, AreThoseOfUtf16) {
    EXPECT_EQ(java_chars("a\xc3\xbc"), u"a\u00fc");
    EXPECT_EQ(java_chars("\xf0\x9f\x98\x80"), u"\xd83d\xde00");
    EXPECT_EQ(java_chars("\xff"), u"\ufffd");
}

}  // namespace
}  // namespace millrace
