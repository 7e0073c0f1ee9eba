#pragma once

#include <optional>
#include <string>
#include <sys/socket.h>
#include <vector>

#include "base/result.h"
#include "env/network.h"

namespace millrace::env::posix {

// An address as the kernel takes it.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
    // Numeric; an IPv4 peer of a dual-stack socket appears as plain IPv4.
    Address to_address() const;
};

// Of a host that is a numeric address already.
std::optional<SocketAddress> numeric_address(const Address& address);
// Every interface, for IPv6 and with it IPv4, or for IPv4 alone.
SocketAddress any_address(int family, std::uint16_t port);
// All addresses of the host, in the system's order of preference. Blocks; never returns an empty
// list.
Result<std::vector<SocketAddress>> resolve(const Address& address);

// This machine's name as the resolver completes it, or as it stands. Blocks.
std::string host_name();

}  // namespace millrace::env::posix
