#include "env/posix/bound_addresses.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace millrace::env::posix {
namespace {

TEST(BoundAddresses, SoManyConnectionsWaitAsTheWorldWasTold) {
    BoundAddresses bound(7);
    SocketAddress address = *numeric_address({"127.0.0.1", 0});
    auto fd = bound.listen(address, false, {});
    ASSERT_TRUE(fd) << fd.error().message;
    tcp_info info{};
    socklen_t size = sizeof info;
    ASSERT_EQ(getsockopt(fd->get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    EXPECT_EQ(info.tcpi_sacked, 7U) << "what Linux tells of a listener's backlog there";
    bound.closed(address.to_address());
}

}  // namespace
}  // namespace millrace::env::posix
