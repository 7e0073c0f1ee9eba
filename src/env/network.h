#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/result.h"
#include "base/task.h"

namespace millrace::env {

// A host (name or numeric) and port.
struct Address {
    std::string host;
    std::uint16_t port = 0;

    bool operator==(const Address&) const = default;
    std::string to_string() const;  // host:port, [host]:port for IPv6
};

class Connection;
class Listener;
class Network;

// Where a read puts its bytes, asked for once there are some: who waits need not hold memory.
class ReadRoom {
  public:
    virtual std::size_t size() const = 0;  // at least 1; the same until the read has ended
    virtual MutableBytes take() = 0;       // of this size
    virtual void give_back() = 0;          // what was taken is not needed yet

  protected:
    ~ReadRoom() = default;
};

// Room that is there.
class FixedRoom final : public ReadRoom {
  public:
    explicit FixedRoom(MutableBytes into) : into_(into) {}
    std::size_t size() const override { return into_.size(); }
    MutableBytes take() override { return into_; }
    void give_back() override {}

  private:
    MutableBytes into_;
};

// What the records of one direction of a TLS connection are encrypted with, from the next one on.
struct TlsKeys {
    enum class Cipher : std::uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };
    Cipher cipher = Cipher::aes_128_gcm;
    bool tls_1_3 = true;                 // else TLS 1.2
    std::array<std::uint8_t, 32> key{};  // of AES-128 the first 16
    // TLS 1.2 with GCM: 4 bytes of salt, then the explicit nonce of the next record.
    std::array<std::uint8_t, 12> nonce{};
    std::uint64_t sequence = 0;  // of the next record
};

// What a record of TLS holds, where the connection makes the records.
enum class TlsRecord : std::uint8_t { alert = 21, data = 23 };

// Awaiters of the network; each can be cancelled. A cancelled write leaves the stream in an unknown
// place: close the connection.
class ReadOperation final : public Wait {
  public:
    ReadOperation(Connection& connection, MutableBytes into)
        : connection(connection), room(fixed_), fixed_(into) {}
    ReadOperation(Connection& connection, ReadRoom& room)
        : connection(connection), room(room), fixed_({}) {}
    // Bytes read, at least 1; 0 when the peer has closed its side.
    Result<std::size_t> await_resume() {
        throw_if_cancelled();
        return std::move(result);
    }
    Connection& connection;
    ReadRoom& room;
    Result<std::size_t> result = 0;

  private:
    bool start() override;
    void give_up() override;
    FixedRoom fixed_;
};

class WriteOperation final : public Wait {
  public:
    WriteOperation(Connection& connection, Chain chain, TlsRecord record)
        : connection(connection), chain(std::move(chain)), record(record) {}
    // All of the chain is with the OS.
    Result<> await_resume() {
        throw_if_cancelled();
        return std::move(result);
    }
    Connection& connection;
    Chain chain;
    TlsRecord record;
    std::size_t piece = 0;     // progress: index into the chain's pieces,
    std::uint64_t offset = 0;  // and bytes of that piece that are written
    Result<> result;

  private:
    bool start() override;
    void give_up() override;
};

// A byte stream, of the shard that made it. At most one read and one write at a time. Destroying
// it closes it; errors carry NETWORK_EXCEPTION and the system's reason.
class Connection {
  public:
    virtual ~Connection() = default;
    ReadOperation read(MutableBytes into) { return {*this, into}; }
    ReadOperation read(ReadRoom& room) { return {*this, room}; }
    // Slices by writev, file ranges by sendfile; a range whose pages are not in memory is first
    // read in by a helper thread.
    WriteOperation write(Chain chain) { return {*this, std::move(chain), TlsRecord::data}; }
    // After encrypt_writes(): what is no data of TLS, as records of its kind.
    WriteOperation write(Chain chain, TlsRecord record) {
        return {*this, std::move(chain), record};
    }
    // What is written from now on goes out as records of TLS by these keys: the system makes them
    // (kernel TLS). False: it cannot, and nothing has changed. Not while a write is under way.
    virtual bool encrypt_writes(const TlsKeys&) { return false; }
    // Sends what is with the OS, then end of stream.
    virtual void shutdown_write() = 0;
    // Both directions at once; waits on it end with an error. Bytes not yet sent may be lost.
    virtual void close() = 0;
    virtual const Address& peer() const = 0;   // numeric host
    virtual const Address& local() const = 0;  // numeric host

  protected:
    friend class ReadOperation;
    friend class WriteOperation;
    // True: will complete later. False: the operation's result is set already.
    virtual bool begin(ReadOperation& operation) = 0;
    virtual bool begin(WriteOperation& operation) = 0;
    virtual void give_up(ReadOperation& operation) = 0;   // must complete it
    virtual void give_up(WriteOperation& operation) = 0;  // must complete it
};

class AcceptOperation final : public Wait {
  public:
    explicit AcceptOperation(Listener& listener) : listener(listener) {}
    Result<std::unique_ptr<Connection>> await_resume();
    Listener& listener;
    Result<std::unique_ptr<Connection>> result = nullptr;

  private:
    bool start() override;
    void give_up() override;
};

// What a world holds while it connects; destroying it abandons the attempt.
class ConnectAttempt {
  public:
    virtual ~ConnectAttempt() = default;
};

class ConnectOperation final : public Wait {
  public:
    ConnectOperation(Network& network, Address to) : network(network), to(std::move(to)) {}
    Result<std::unique_ptr<Connection>> await_resume();
    Network& network;
    Address to;
    Result<std::unique_ptr<Connection>> result = nullptr;
    std::unique_ptr<ConnectAttempt> attempt;

  private:
    bool start() override;
    void give_up() override;
};

class Listener {
  public:
    virtual ~Listener() = default;
    AcceptOperation accept() { return AcceptOperation(*this); }
    virtual const Address& local() const = 0;  // with the port the OS chose
    virtual void close() = 0;

  protected:
    friend class AcceptOperation;
    virtual bool begin(AcceptOperation& operation) = 0;
    virtual void give_up(AcceptOperation& operation) = 0;  // must complete it
};

// In bytes; what is absent is the system's to find (tcp_rmem, tcp_wmem).
struct SocketBuffers {
    std::optional<int> send;     // SO_SNDBUF
    std::optional<int> receive;  // SO_RCVBUF
};

// The network as one shard sees it.
class Network {
  public:
    virtual ~Network() = default;
    // Several shards may listen on the same address (SO_REUSEPORT): the OS spreads connections.
    // Port 0 lets the OS choose. An empty host is every interface.
    // `buffers` are those of the connections it accepts.
    virtual Result<std::unique_ptr<Listener>> listen(const Address& address,
                                                     const SocketBuffers& buffers) = 0;
    Result<std::unique_ptr<Listener>> listen(const Address& address) { return listen(address, {}); }
    // What other machines may call this one. May ask the resolver: for startup.
    virtual std::string host_name() = 0;
    // Resolves the name (in a helper thread), tries its addresses in turn.
    ConnectOperation connect(Address to) { return {*this, std::move(to)}; }

  protected:
    friend class ConnectOperation;
    virtual bool begin(ConnectOperation& operation) = 0;
    virtual void give_up(ConnectOperation& operation) = 0;  // must complete it
};

// Reads until `into` is full: an error when the peer closes before.
Task<Result<>> read_exactly(Connection& connection, MutableBytes into);

}  // namespace millrace::env
