#include "config/ip_address.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

TEST(IpAddress, ReadsBothVersions) {
    EXPECT_EQ(IpAddress::parse("1.2.3.4"), IpAddress::parse("::ffff:1.2.3.4"));
    EXPECT_EQ(IpAddress::parse("1.2.3.4"), IpAddress::parse("::ffff:102:304"));
    EXPECT_EQ(IpAddress::parse("2001:DB8::1"), IpAddress::parse("2001:db8:0:0:0:0:0:1"));
    EXPECT_EQ(IpAddress::parse("::"), IpAddress{});
    EXPECT_EQ(IpAddress::parse("1::")->octets[1], 1);
    EXPECT_EQ(IpAddress::parse("::1")->octets[15], 1);
    EXPECT_EQ(IpAddress::parse("1:2:3:4:5:6:7:8")->octets[15], 8);
}

TEST(IpAddress, RefusesWhatIsNone) {
    for (const char* text : {"",
                             ".",
                             "1.2.3",
                             "1.2.3.4.5",
                             "1.2.3.256",
                             "1.2.3.4 ",
                             "1..3.4",
                             "0001.2.3.4",
                             "host",
                             ":",
                             ":::",
                             "1:2",
                             "1:2:3:4:5:6:7:8:9",
                             "1::2::3",
                             "12345::",
                             "g::",
                             "::1.2.3",
                             "fe80::1%2",
                             "1:2:3:4:5:6:7::8",
                             "-1.2.3.4",
                             "1:"}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::config
