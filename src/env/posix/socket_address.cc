#include "env/posix/socket_address.h"

#include <arpa/inet.h>
#include <array>
#include <climits>
#include <cstring>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

namespace millrace::env::posix {
namespace {

template <typename Family>
SocketAddress make(const Family& address) {
    SocketAddress result;
    std::memcpy(&result.storage, &address, sizeof address);
    result.size = sizeof address;
    return result;
}

}  // namespace

Address SocketAddress::to_address() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &storage, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return {text, ntohs(v4.sin_port)};
    }
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    } else {
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
    return {text, ntohs(v6.sin6_port)};
}

std::optional<SocketAddress> numeric_address(const Address& address) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) return make(v4);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) return make(v6);
    return std::nullopt;
}

SocketAddress any_address(int family, std::uint16_t port) {
    if (family == AF_INET) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return make(v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return make(v6);
}

Result<std::vector<SocketAddress>> resolve(const Address& address) {
    if (std::optional<SocketAddress> numeric = numeric_address(address))
        return std::vector{*numeric};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int failed = getaddrinfo(address.host.c_str(), nullptr, &hints, &found);
    std::vector<SocketAddress> addresses;
    for (addrinfo* each = found; failed == 0 && each != nullptr; each = each->ai_next) {
        if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
        SocketAddress one;
        one.size = each->ai_addrlen;
        std::memcpy(&one.storage, each->ai_addr, each->ai_addrlen);
        // The port lies at the same place in both families.
        reinterpret_cast<sockaddr_in*>(&one.storage)->sin_port = htons(address.port);
        addresses.push_back(one);
    }
    if (found != nullptr) freeaddrinfo(found);
    if (!addresses.empty()) return addresses;
    return fail(ErrorCode::network_exception,
                fmt::format("the name {} has no address: {}", address.host,
                            failed != 0 ? gai_strerror(failed) : "none of a kind used here"));
}

std::string host_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.data(), nullptr, &hints, &found) != 0) return name.data();
    std::string full = found->ai_canonname != nullptr ? found->ai_canonname : name.data();
    ::freeaddrinfo(found);
    return full;
}

}  // namespace millrace::env::posix
