#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/session.h"
#include "net/tls_profiles.h"

namespace millrace::net {

// How many connections there are, over all shards of the process; lives on shard 0.
class ConnectionCounts {
  public:
    struct Limits {
        std::size_t total = 2147483647;   // max.connections
        std::size_t per_ip = 2147483647;  // max.connections.per.ip
        std::map<std::string, std::size_t, std::less<>> per_ip_overrides;
    };
    // How long a new connection of a host that makes too many a second is held before it is closed,
    // so that its client does not come again at once (KIP-612); zero: it may stay.
    using Throttle = std::function<Duration(const std::string& host)>;
    explicit ConnectionCounts(Limits limits, Throttle throttle = {})
        : limits_(std::move(limits)), throttle_(std::move(throttle)) {}

    struct Admission {
        std::string refused;  // why the connection may not stay; empty when it may
        Duration held;
    };
    // A connection that may stay is released by its host.
    Admission admit(const std::string& host);
    void release(const std::string& host);
    std::size_t total() const { return total_; }

  private:
    std::string reason_against(const std::string& host);

    Limits limits_;
    Throttle throttle_;
    std::size_t total_ = 0;
    std::map<std::string, std::size_t, std::less<>> by_host_;
};

// The connections of one shard. Every shard has a server of its own on the same addresses.
class Server {
  public:
    Server(env::Shard& shard, RequestHandler& handler, SessionLimits limits,
           std::size_t queued_bytes, ConnectionCounts& counts, metrics::Registry& metrics);
    ~Server();

    // Listens on `info.bind`; the actual port (of port 0) is written back into `info`, which must
    // outlive the server, as must the profiles of a listener with TLS.
    Result<> listen(ListenerInfo& info, const TlsProfiles* profiles = nullptr);
    std::size_t connections() const { return sessions_.size(); }

    // Accepts nothing more, answers what has arrived until `deadline`, then closes everything.
    Task<void> stop(Time deadline);

  private:
    struct Entrance {
        std::unique_ptr<env::Listener> listener;
        const ListenerInfo& info;
        const TlsProfiles* profiles;  // null: plaintext
    };
    Task<void> accept_all(const Entrance& entrance);
    Task<void> serve(std::unique_ptr<env::Connection> connection, const Entrance& entrance);
    Task<void> hold(Duration held);

    ConnectionCounts& counts_;
    SessionShared shared_;
    Scope accepting_;
    Scope serving_;
    std::deque<Entrance> entrances_;
    std::vector<Session*> sessions_;
    std::uint64_t accepted_ = 0;
    std::size_t held_ = 0;  // connections that are to be closed
};

}  // namespace millrace::net
