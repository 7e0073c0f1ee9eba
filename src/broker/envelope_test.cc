#include "broker/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

using testing::ElementsAre;

std::vector<int> told(std::string host) {
    auto envelope = wrap(Chain(Slice::copy("....request")), {"User:a", std::move(host), "client"});
    EXPECT_TRUE(envelope) << envelope.error().message;
    if (!envelope) return {};
    Bytes address = envelope->client_host_address.bytes();
    return {address.begin(), address.end()};
}

TEST(Envelope, TellsTheClientsAddress) {
    EXPECT_THAT(told("192.0.2.17"), ElementsAre(192, 0, 2, 17));
    EXPECT_THAT(told("::ffff:192.0.2.17"), ElementsAre(192, 0, 2, 17));
    EXPECT_THAT(told("2001:db8::7:a00b"),
                ElementsAre(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0xa0, 0xb));
    EXPECT_THAT(told("::1"), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    EXPECT_THAT(told("fe80::1%eth0"),
                ElementsAre(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    EXPECT_THAT(told("1:2:3:4:5:6:7:8"),
                ElementsAre(0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8));
}

TEST(Envelope, WhatIsNoAddressIsUnspecified) {
    for (const char* host :
         {"", "broker", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4x", ":", ":::", "1:2:3:4:5:6:7",
          "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1::2::3", "1:2:3:4:5:6:7::8", "::1.2.3"}) {
        EXPECT_EQ(told(host), std::vector<int>(16)) << host;
    }
}

TEST(Envelope, APrincipalComesBack) {
    auto envelope = wrap(Chain(Slice::copy("....request")), {"User:a:b", "1.2.3.4", "client"});
    ASSERT_TRUE(envelope);
    auto principal = principal_in(*envelope);
    ASSERT_TRUE(principal);
    EXPECT_EQ(*principal, "User:a:b");
    envelope->request_principal = Slice::copy("x");
    EXPECT_FALSE(principal_in(*envelope));
    envelope->request_principal.reset();
    EXPECT_FALSE(principal_in(*envelope));
}

}  // namespace
}  // namespace millrace::broker
