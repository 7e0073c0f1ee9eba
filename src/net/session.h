#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/condition.h"
#include "base/queue.h"
#include "base/scope.h"
#include "env/network.h"
#include "env/shard.h"
#include "net/receive_buffer.h"
#include "net/request.h"
#include "net/traffic.h"
#include "tls/stream.h"

namespace millrace::net {

// The bounds of a connection and of a shard's connections together.
struct SessionLimits {
    std::size_t max_request_bytes = 104857600;   // socket.request.max.bytes
    std::size_t max_requests_in_flight = 1000;   // of one connection
    std::size_t max_unsent_bytes = 64 << 20;     // answers of one connection; more stop reading
    Duration max_idle = Duration::seconds(600);  // connections.max.idle.ms
    // How long one that failed to authenticate waits for the connection's end
    // (connection.failed.authentication.delay.ms).
    Duration refusal_delay = Duration::milliseconds(100);
};

// What sessions of one shard share.
struct SessionShared {
    env::Shard& shard;
    RequestHandler& handler;
    SessionLimits limits;
    Budget request_bytes;  // queued.max.request.bytes: past it nothing more is read
    Traffic traffic;
};

// One connection of the Kafka protocol, by TLS where it has a profile. Requests start in order of
// arrival, their waits overlap, and answers leave in order of the requests; all that are ready
// leave in one write.
class Session {
  public:
    Session(SessionShared& shared, std::unique_ptr<env::Connection> connection,
            std::shared_ptr<Peer> peer, std::shared_ptr<const tls::Profile> profile = {});

    // Serves until either side ends the connection, or cancellation.
    Task<void> run();

    // Answers what has arrived, reads nothing more, then ends. For a controlled shutdown.
    void drain();
    // Ends at once.
    void end(std::string reason);
    const Peer& peer() const { return *peer_; }
    Time last_activity() const { return last_activity_; }

  private:
    struct Slot {
        Reply reply;
        std::size_t request_bytes = 0;
        const ApiInfo* api = nullptr;  // none for what is no request
        Time received;
        Time answered;
        bool ready = false;
    };
    // What is left of a slot whose answer is on its way.
    struct Sent {
        const ApiInfo* api = nullptr;
        Time received;
        Time answered;
        Duration throttle;
    };
    class IdleTimer final : public env::Timer {
      public:
        explicit IdleTimer(Session& session) : session_(session) {}
        void fire() override;

      private:
        Session& session_;
    };

    Task<bool> authenticate();
    Result<> name_peer();
    Task<void> read_requests(Scope& scope);
    Task<bool> start_frames(Scope& scope, ReceiveBuffer& buffer);
    Task<void> until_unmuted();
    Task<void> answer_one(Slot& slot, Slice frame);
    Result<Request> open(Slot& slot, const Slice& frame);
    Task<void> write_replies();
    void note_sent(const std::vector<Sent>& sent, Time begun);
    bool must_hold_back() const;

    SessionShared& shared_;
    std::unique_ptr<env::Connection> connection_;
    std::optional<tls::Stream> tls_;
    std::shared_ptr<Peer> peer_;
    Traffic::Listener& figures_;
    std::deque<Slot, PooledAllocator<Slot>> slots_;  // in order of arrival
    std::size_t unsent_bytes_ = 0;
    bool authenticated_ = false;
    bool draining_ = false;
    bool ended_ = false;
    Condition ready_;  // the first slot may be ready, or the session has ended
    Condition room_;   // a slot has left
    Time last_activity_;
    Time muted_until_;
    IdleTimer idle_{*this};
};

}  // namespace millrace::net
