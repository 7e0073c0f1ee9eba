#include "stream.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace millrace::bench {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

[[noreturn]] void fail_tls(const char* what) {
    char reason[256];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    throw std::runtime_error(std::string(what) + ": " + reason);
}

bool would_block() { return errno == EAGAIN || errno == EINTR; }
std::int64_t nanoseconds(const timespec& time) {
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::int64_t read_clock(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return nanoseconds(now);
}

// To a peer that has gone, too, nothing can be written: reading tells.
bool takes_nothing() { return would_block() || errno == EPIPE || errno == ECONNRESET; }

}  // namespace

Tls::Tls(const SSL_METHOD* method) : context_(SSL_CTX_new(method), SSL_CTX_free) {
    if (!context_) fail_tls("TLS");
    SSL_CTX_set_mode(get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(get(), 1);
}

Tls Tls::server(const std::string& certificate, const std::string& key) {
    Tls tls(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls.get(), certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
        fail_tls("certificate and key");
    }
    return tls;
}

Tls Tls::client() { return Tls(TLS_client_method()); }

Stream::Stream(int socket) : socket_(socket) {
    int on = 1;
    if (::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("TCP_NODELAY");
}

Stream::Stream(int socket, const Tls& tls, bool accepted) : Stream(socket) {
    ssl_ = SSL_new(tls.get());
    if (ssl_ == nullptr || SSL_set_fd(ssl_, socket_) != 1) fail_tls("TLS");
    accepted ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
}

Stream Stream::connect(std::uint16_t port, const Tls* tls) {
    int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (socket < 0 || ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address)) {
        fail("connect");
    }
    // The handshake is the one thing that blocks.
    Stream stream = tls == nullptr ? Stream(socket) : Stream(socket, *tls, false);
    if (stream.ssl_ != nullptr && SSL_do_handshake(stream.ssl_) != 1) fail_tls("handshake");
    int on = 1;
    if (::ioctl(socket, FIONBIO, &on) != 0) fail("FIONBIO");
    return stream;
}

Stream::Stream(Stream&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      stamped_(other.stamped_) {}

Stream::~Stream() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    if (socket_ >= 0) ::close(socket_);
}

void Stream::stamp_arrivals() {
    int on = 1;
    if (::setsockopt(socket_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
        fail("SO_TIMESTAMPNS");
    }
    stamped_ = true;
}

ssize_t Stream::read_stamped(MutableBytes into) {
    iovec piece{into.data(), into.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t count = ::recvmsg(socket_, &message, 0);
    if (count <= 0) return count;
    arrived_ns_ = wall_ns();
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp;
        std::memcpy(&stamp, CMSG_DATA(each), sizeof stamp);
        arrived_ns_ = nanoseconds(stamp);
    }
    return count;
}

std::optional<std::size_t> Stream::read(MutableBytes into) {
    if (ssl_ == nullptr) {
        ssize_t count =
            stamped_ ? read_stamped(into) : ::recv(socket_, into.data(), into.size(), 0);
        if (count >= 0) return static_cast<std::size_t>(count);
        if (would_block()) return std::nullopt;
        if (errno == ECONNRESET) return 0;
        fail("recv");
    }
    std::size_t count = 0;
    if (SSL_read_ex(ssl_, into.data(), into.size(), &count) == 1) return count;
    switch (SSL_get_error(ssl_, 0)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return std::nullopt;
        default:
            ERR_clear_error();
            return 0;
    }
}

std::size_t Stream::write(std::span<const iovec> pieces, bool more) {
    if (ssl_ == nullptr) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(pieces.data());
        message.msg_iovlen = pieces.size();
        ssize_t count = ::sendmsg(socket_, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (count >= 0) return static_cast<std::size_t>(count);
        if (takes_nothing()) return 0;
        fail("sendmsg");
    }
    std::size_t total = 0;
    for (const iovec& piece : pieces) {
        Bytes bytes(static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len);
        std::size_t count = write_encrypted(bytes);
        total += count;
        if (count < bytes.size()) break;
    }
    return total;
}

std::size_t Stream::write_encrypted(Bytes bytes) {
    std::size_t total = 0;
    while (total < bytes.size()) {
        std::size_t count = 0;
        if (SSL_write_ex(ssl_, bytes.data() + total, bytes.size() - total, &count) != 1) {
            int error = SSL_get_error(ssl_, 0);
            bool gone = error == SSL_ERROR_SYSCALL || error == SSL_ERROR_SSL;
            if (gone) ERR_clear_error();
            if (gone || error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) break;
            fail_tls("SSL_write");
        }
        total += count;
    }
    return total;
}

std::size_t Stream::send_file(int file, std::uint64_t offset, std::size_t size) {
    if (ssl_ != nullptr) return send_file_encrypted(file, offset, size);
    auto from = static_cast<off_t>(offset);
    ssize_t count = ::sendfile(socket_, file, &from, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (takes_nothing()) return 0;
    fail("sendfile");
}

std::size_t Stream::send_file_encrypted(int file, std::uint64_t offset, std::size_t size) {
    static std::vector<std::uint8_t> record(16 << 10);
    std::size_t total = 0;
    while (total < size) {
        std::size_t part = std::min(record.size(), size - total);
        if (::pread(file, record.data(), part, static_cast<off_t>(offset + total)) !=
            static_cast<ssize_t>(part)) {
            fail("pread");
        }
        std::size_t count = write_encrypted(Bytes(record.data(), part));
        total += count;
        if (count < part) break;
    }
    return total;
}

std::int64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }

std::int64_t wall_ns() { return read_clock(CLOCK_REALTIME); }

}  // namespace millrace::bench
