#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/task.h"
#include "base/time.h"
#include "env/network.h"
#include "protocol/api.h"

namespace millrace::net {

// A listener as server.properties names it, and the address that clients are told.
struct ListenerInfo {
    std::string name;  // "PLAINTEXT", "CONTROLLER"
    env::Address bind;
    env::Address advertised;
    env::SocketBuffers buffers;
    bool is_controller = false;
    bool tls = false;
};

// What whoever answers the requests of a connection remembers of it.
class PeerNote {
  public:
    virtual ~PeerNote() = default;
};

// What stays the same over the requests of a connection.
struct Peer {
    const ListenerInfo* listener = nullptr;
    env::Address address;
    std::string principal = "User:ANONYMOUS";
    std::string software_name;  // of ApiVersions v3+, KIP-511
    std::string software_version;
    std::uint64_t id = 0;  // unique in the process; a new connection never has an old one's
    std::shared_ptr<const PeerNote> note;
};

// How long this shard has worked on a request so far, for those who ask.
class WorkClock {
  public:
    virtual Duration worked() const = 0;

  protected:
    ~WorkClock() = default;
};

// One request: its header is decoded, its body is the rest of `frame`.
struct Request {
    const ApiInfo* api = nullptr;
    std::int16_t version = 0;
    std::int32_t correlation_id = 0;
    std::optional<std::string> client_id;
    Slice body;
    std::size_t bytes = 0;  // of header and body
    Time received;
    std::shared_ptr<Peer> peer;
    const WorkClock* work = nullptr;  // set where quotas need it
};

// What becomes of a request: bytes for the client (with their size prefix), nothing (acks=0), or
// the end of the connection, with the reason for the log.
struct Reply {
    Chain bytes;
    bool close = false;
    std::string reason;
    Duration throttle;  // for so long no further request of the connection starts (KIP-219)
};

// Answers the requests of one shard's connections. `answer` is called in order of arrival and runs
// up to its first wait at once: what must happen in order (an append) happens before it.
class RequestHandler {
  public:
    virtual ~RequestHandler() = default;
    virtual Task<Reply> answer(Request request) = 0;
    virtual void closed(const Peer&) {}
};

}  // namespace millrace::net
