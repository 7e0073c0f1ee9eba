#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/condition.h"
#include "base/scope.h"
#include "client/backoff.h"
#include "client/connection.h"

namespace millrace::client {

// What a connection is for. Answers come in order, so that a request behind one that waits on
// purpose (a fetch, a join) would wait as well.
enum class Lane : std::uint8_t { general, fetch, coordinator };

struct PoolOptions {
    std::string kind = "broker";  // what errors call the nodes
    ConnectionOptions connection;
    std::optional<tls::Settings> tls;  // loaded before the first connection; none: plaintext
    Backoff reconnect{Duration::milliseconds(50), Duration::milliseconds(1000)};
    Duration max_setup_timeout = Duration::seconds(30);  // doubles up to it with each failure
};

// The connections to brokers, by id and lane: opened on demand, one attempt at a time each, with
// growing pauses between attempts that fail.
class ConnectionPool {
  public:
    ConnectionPool(env::Shard& shard, Scope& scope, PoolOptions options)
        : shard_(shard), scope_(scope), options_(std::move(options)) {}

    // The open connection, or a new one; a pause that is due is waited for first. The error is that
    // of the one attempt, NETWORK_EXCEPTION or what the handshake said; INVALID_CONFIG where keys
    // or certificates cannot be used.
    Task<Result<std::shared_ptr<BrokerConnection>>> get(std::int32_t id, env::Address address,
                                                        Lane lane);

    // nullptr: none is open.
    std::shared_ptr<BrokerConnection> find(std::int32_t id, Lane lane) const;
    // How attractive a broker is for a request that any may answer; lower is better. An open
    // connection has the number of its unanswered requests.
    std::uint64_t load(std::int32_t id) const;
    // When the next attempt in the general lane may begin; the past when none has failed.
    Time next_attempt(std::int32_t id) const;
    void close_all(const std::string& reason);

  private:
    struct Place {
        env::Address address;
        std::shared_ptr<BrokerConnection> connection;
        bool connecting = false;
        int failures = 0;
        std::uint64_t attempts = 0;  // that have ended
        Time next_attempt;
        Error error;  // of the last one
        Condition ended;
    };
    using Key = std::pair<std::int32_t, Lane>;
    const Place* find_place(std::int32_t id, Lane lane) const;
    Result<> load_tls();
    Task<void> connect(Key key, Place& place);

    env::Shard& shard_;
    Scope& scope_;
    PoolOptions options_;
    std::map<Key, Place> places_;  // never shrinks: cluster sizes are bounded
};

}  // namespace millrace::client
