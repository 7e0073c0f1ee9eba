#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <openssl/ssl.h>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>

#include "base/bytes.h"

namespace millrace::bench {

// Of a server with its certificate and key in PEM files, or of a client that trusts anyone: what is
// measured is encryption.
class Tls {
  public:
    static Tls server(const std::string& certificate, const std::string& key);
    static Tls client();
    SSL_CTX* get() const { return context_.get(); }

  private:
    explicit Tls(const SSL_METHOD* method);
    std::shared_ptr<SSL_CTX> context_;
};

// A TCP connection that never blocks, plain or encrypted. Errors other than the peer's end throw
// std::system_error.
class Stream {
  public:
    // Takes the socket over.
    explicit Stream(int socket);
    Stream(int socket, const Tls& tls, bool accepted);
    static Stream connect(std::uint16_t port, const Tls* tls);
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&&) = delete;
    ~Stream();

    int descriptor() const { return socket_; }
    bool encrypted() const { return ssl_ != nullptr; }
    // The count; nothing when it would block, 0 when the peer has closed.
    std::optional<std::size_t> read(MutableBytes into);
    // Has the kernel tell when bytes came in, of plain connections; see arrived_ns().
    void stamp_arrivals();
    // When the last bytes that read() returned had come in, by wall_ns().
    std::int64_t arrived_ns() const { return arrived_ns_; }
    // What the socket took: less than all when it would block.
    std::size_t write(std::span<const iovec> pieces, bool more = false);
    std::size_t send_file(int file, std::uint64_t offset, std::size_t size);

  private:
    ssize_t read_stamped(MutableBytes into);
    std::size_t write_encrypted(Bytes bytes);
    std::size_t send_file_encrypted(int file, std::uint64_t offset, std::size_t size);

    int socket_;
    SSL* ssl_ = nullptr;
    bool stamped_ = false;
    std::int64_t arrived_ns_ = 0;
};

// Monotonic nanoseconds.
std::int64_t now_ns();
// Nanoseconds since 1970, the kernel's clock of arrivals.
std::int64_t wall_ns();

}  // namespace millrace::bench
