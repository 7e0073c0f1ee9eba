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
        std::size_t total = 2147483647;                                // max.connections
        std::size_t per_ip = 2147483647;                               // max.connections.per.ip
        std::map<std::string, std::size_t, std::less<>> per_listener;  // max.connections of its own
        std::string of_brokers;  // the listener that `total` does not hold for; empty: none
        std::map<std::string, std::size_t, std::less<>> per_ip_overrides;
    };
    // What becomes of a new connection where too many come in a second (KIP-612). While its
    // listener is at rest for `again`, it is asked about anew afterwards. Otherwise its listener
    // rests for `delay` before the connection is served; or it is held for `held` and closed, so
    // that its client does not come again at once.
    struct Pace {
        Duration again;
        Duration delay;
        Duration held;
    };
    using Throttle = std::function<Pace(const ListenerInfo& listener, const std::string& host)>;
    explicit ConnectionCounts(Limits limits, Throttle throttle = {})
        : limits_(std::move(limits)), throttle_(std::move(throttle)) {}

    struct Admission {
        std::string refused;  // why the connection may not stay; empty when it may
        Pace pace;
    };
    // A connection that may stay, and need not be asked about again, is to be released.
    Admission admit(const ListenerInfo& listener, const std::string& host);
    void release(const ListenerInfo& listener, const std::string& host);
    // For those that come from now on.
    void limit(Limits limits) { limits_ = std::move(limits); }
    std::size_t total() const { return total_; }

  private:
    std::string reason_against(const ListenerInfo& listener, const std::string& host);

    Limits limits_;
    Throttle throttle_;
    std::size_t total_ = 0;
    std::map<std::string, std::size_t, std::less<>> by_host_;
    std::map<std::string, std::size_t, std::less<>> by_listener_;
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
    Task<ConnectionCounts::Admission> admit(const Entrance& entrance, const std::string& host);
    Task<void> serve(std::unique_ptr<env::Connection> connection, const Entrance& entrance,
                     Duration delay);
    Task<void> run_session(std::unique_ptr<env::Connection> connection, const Entrance& entrance);
    Task<void> hold(std::unique_ptr<env::Connection> connection, Duration held);

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
