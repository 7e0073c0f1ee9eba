#include "env/posix/host_addresses.h"

#include "env/posix/socket_address.h"

namespace millrace::env::posix {

Result<std::vector<std::string>> addresses_of(const std::string& host) {
    ASSIGN_OR_RETURN(std::vector<SocketAddress> found, resolve({host, 0}));
    std::vector<std::string> addresses;
    for (bool v4 : {true, false}) {
        for (const SocketAddress& each : found) {
            if ((each.family() == AF_INET) == v4) addresses.push_back(each.to_address().host);
        }
    }
    return addresses;
}

}  // namespace millrace::env::posix
