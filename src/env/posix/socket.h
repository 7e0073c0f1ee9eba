#pragma once

#include "env/network.h"
#include "env/posix/descriptor.h"
#include "env/posix/loop.h"
#include "env/posix/socket_address.h"

namespace millrace::env::posix {

class File;

// A new TCP socket, nonblocking.
Result<Descriptor> open_socket(int family);
// What each connection has: no delay for small writes, and probes that find out in the end that a
// silent peer is gone.
void set_options(int fd);

// A TCP connection. Each operation tries the system call first; epoll learns of the descriptor
// when for the first time it would block.
class Socket final : public Connection, private EventTarget {
  public:
    Socket(Loop& loop, Descriptor fd, const SocketAddress& peer);
    ~Socket() override;

    bool encrypt_writes(const TlsKeys& keys) override;
    void shutdown_write() override;
    void close() override;
    const Address& peer() const override { return peer_; }
    const Address& local() const override;

  private:
    class WarmUp;
    // A read, or a write, that waits for its turn.
    template <void (Socket::*go)()>
    class Later final : public Continuation {
      public:
        explicit Later(Socket& socket) : socket_(socket) {}
        void go_on() override { (socket_.*go)(); }

      private:
        Socket& socket_;
    };

    bool begin(ReadOperation& operation) override;
    bool begin(WriteOperation& operation) override;
    void give_up(ReadOperation& operation) override;
    void give_up(WriteOperation& operation) override;

    void on_events(std::uint32_t events) override;
    void watch();

    // Whether it may be now; if it moves much, that may wait for its turn.
    bool may_read(const ReadOperation& operation);
    bool may_write(const WriteOperation& operation);
    void read_now();
    void write_on();
    void write_now();
    // True when the operation has its result.
    bool try_read(ReadOperation& operation);
    bool advance(WriteOperation& operation, bool is_its_turn = false);
    // One system call: bytes sent, or what it left in errno, negated.
    ssize_t send_slices(const WriteOperation& operation);
    ssize_t send_range(const WriteOperation& operation, const FileRange& range);
    void account(WriteOperation& operation, std::uint64_t sent);
    // Whether the next part of the range is known to be in memory; if not, a helper reads it in.
    bool is_warm(const WriteOperation& operation, const FileRange& range);
    void warmed(std::uint64_t until, Result<> read);
    void stop_writing();

    Loop& loop_;
    Descriptor fd_;
    Address peer_;
    mutable Address local_;  // found out when first asked for
    bool watched_ = false;
    bool readable_ = true;  // as far as known
    bool writable_ = true;
    bool hung_up_ = false;  // an end of stream is behind the bytes that can be read
    ReadOperation* read_ = nullptr;
    Later<&Socket::read_now> read_later_{*this};
    Later<&Socket::write_now> write_later_{*this};
    WriteOperation* write_ = nullptr;
    WarmUp* warming_ = nullptr;
    std::uint64_t warm_until_ = 0;  // in the piece that is being written
};

}  // namespace millrace::env::posix
