#include "env/posix/host_addresses.h"

#include <gtest/gtest.h>

namespace millrace::env::posix {
namespace {

TEST(HostAddresses, TheOnesOfAHostAreNumeric) {
    auto own = addresses_of("localhost");
    ASSERT_TRUE(own) << own.error().message;
    EXPECT_TRUE(own->front() == "127.0.0.1" || own->front() == "::1") << own->front();
    EXPECT_EQ(*addresses_of("10.0.0.1"), std::vector<std::string>{"10.0.0.1"});
    EXPECT_FALSE(addresses_of("no-such-host.invalid"));
}

}  // namespace
}  // namespace millrace::env::posix
