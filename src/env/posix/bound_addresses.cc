#include "env/posix/bound_addresses.h"

#include <cerrno>
#include <fmt/core.h>
#include <netinet/in.h>

#include "env/posix/socket.h"
#include "env/posix/system_error.h"

namespace millrace::env::posix {
namespace {

Result<Descriptor> bind_socket(const SocketAddress& to, bool both_families, bool shared) {
    ASSIGN_OR_RETURN(Descriptor fd, open_socket(to.family()));
    int on = 1;
    int off = 0;
    // Not to be kept waiting by the connections of a process before.
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (both_families) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (::bind(fd.get(), to.get(), to.size) == 0) return fd;
    return network_failure(fmt::format("listening on {}", to.to_address().to_string()), errno);
}

// Accepted sockets inherit them, and the window scale of SO_RCVBUF is told in the handshake.
void set_buffers(int fd, const SocketBuffers& buffers) {
    if (const auto& size = buffers.send)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &*size, sizeof *size);
    if (const auto& size = buffers.receive) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &*size, sizeof *size);
    }
}

}  // namespace

Result<Descriptor> BoundAddresses::listen(SocketAddress& address, bool both_families,
                                          const SocketBuffers& buffers) {
    std::string what = fmt::format("listening on {}", address.to_address().to_string());
    std::lock_guard lock(mutex_);
    bool ours = listeners_.contains(address.to_address().to_string());
    if (!ours) RETURN_IF_ERROR(bind_socket(address, both_families, false));
    ASSIGN_OR_RETURN(Descriptor fd, bind_socket(address, both_families, true));
    set_buffers(fd.get(), buffers);
    if (::listen(fd.get(), backlog_) != 0) return network_failure(what, errno);
    if (getsockname(fd.get(), address.get(), &address.size) != 0) {
        return network_failure(what, errno);
    }
    ++listeners_[address.to_address().to_string()];
    return fd;
}

void BoundAddresses::closed(const Address& bound) {
    std::lock_guard lock(mutex_);
    auto found = listeners_.find(bound.to_string());
    CHECK(found != listeners_.end());
    if (--found->second == 0) listeners_.erase(found);
}

}  // namespace millrace::env::posix
