#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/condition.h"
#include "net/session.h"
#include "net/tls_profiles.h"

namespace millrace::net {

// How many connections there are, over all shards of the process; lives on shard 0. Those of
// controllers' listeners are counted apart from those of brokers', under the same bounds.
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
    // Waits while there are as many as there may be. A connection that may stay, and need not be
    // asked about again, is to be released.
    Task<Admission> admit(const ListenerInfo& listener, const std::string& host);
    void release(const ListenerInfo& listener, const std::string& host);
    void limit(Limits limits);
    std::size_t total() const { return of_brokers_.total + of_controllers_.total; }

    // The brokers' listener is let go above `total`, and limits may become less: connections of
    // other listeners are then to be closed. Ends when some are.
    struct Excess {
        bool of_controllers = false;
        std::string spared;         // no connection of this listener
        std::uint64_t changes = 0;  // so far
    };
    Task<Excess> excess();
    // Ends when connections have come or gone since, or limits have changed.
    Task<void> changed_since(std::uint64_t changes);

  private:
    struct Counts {
        std::size_t total = 0;
        std::map<std::string, std::size_t, std::less<>> by_host;
    };
    Counts& of(const ListenerInfo& listener) {
        return listener.is_controller ? of_controllers_ : of_brokers_;
    }
    bool has_room(const ListenerInfo& listener);
    std::string count_in(const ListenerInfo& listener, const std::string& host);
    void changed();

    Limits limits_;
    Throttle throttle_;
    Counts of_brokers_;
    Counts of_controllers_;
    std::map<std::string, std::size_t, std::less<>> by_listener_;
    Condition changed_;
    std::uint64_t changes_ = 0;
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
    // The one whose last request or answer is the oldest, of listeners but `spared`.
    struct Quiet {
        Time since;
        std::uint64_t id = 0;  // of its Peer
    };
    std::optional<Quiet> least_recently_used(bool of_controllers, std::string_view spared) const;
    // Ends when that connection is gone.
    Task<void> close_connection(std::uint64_t id, std::string reason);

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
    Condition one_gone_;
    std::uint64_t accepted_ = 0;
    std::size_t held_ = 0;  // connections that are to be closed
};

}  // namespace millrace::net
