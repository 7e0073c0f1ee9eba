#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/result.h"
#include "env/network.h"
#include "env/posix/descriptor.h"
#include "env/posix/socket_address.h"

namespace millrace::env::posix {

// The addresses this world listens on. Its shards share each of them (SO_REUSEPORT), but the
// kernel would share them with other processes of the same user, too: two nodes that were given
// one port by mistake would each get a part of the connections. So the first of a world to listen
// on an address makes sure that nobody else does.
class BoundAddresses {
  public:
    // `backlog`: how many connections may wait to be accepted on each of its sockets.
    explicit BoundAddresses(int backlog) : backlog_(backlog) {}
    // A socket that listens at `address`. `both_families`: IPv4 as well, on an IPv6 socket. Sets
    // `address` to what was bound. Any thread.
    Result<Descriptor> listen(SocketAddress& address, bool both_families,
                              const SocketBuffers& buffers);
    // A listener on what listen() had bound is closed.
    void closed(const Address& bound);

  private:
    const int backlog_;
    std::mutex mutex_;
    std::map<std::string, int> listeners_;  // by address: how many of the world's sockets
};

}  // namespace millrace::env::posix
