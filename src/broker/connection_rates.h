#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "broker/metadata_cache.h"
#include "config/broker_config.h"
#include "core/quotas/counters.h"
#include "core/quotas/limits.h"
#include "core/quotas/rate.h"
#include "metrics/registry.h"
#include "net/server.h"

namespace millrace::env {
class Shard;
}

namespace millrace::broker {

// How many connections a second come (KIP-612): to the node and to each listener, against
// max.connection.creation.rate, and from each address, against its quota. Of all shards; lives on
// shard 0.
class ConnectionRates {
  public:
    using Pace = net::ConnectionCounts::Pace;

    // The addresses of a host, at least one; blocks. None: hosts are addresses only.
    using Resolve = std::function<Result<std::vector<std::string>>(const std::string& host)>;

    // `config` may change under it.
    ConnectionRates(env::Shard& shard, MetadataCache& metadata, const config::BrokerConfig& config,
                    metrics::Registry& metrics, Resolve resolve);
    ~ConnectionRates();
    // Looks for the addresses of hosts that quotas name, each time that quotas change: the first of
    // each host, as Kafka's brokers.
    void start() {
        if (resolve_) scope_.spawn(follow_hosts());
    }
    Task<void> stop() { return scope_.close(); }

    // Counts a new connection, unless it is to be asked about again, or its address has too many.
    Pace admit(const net::ListenerInfo& listener, const std::string& host, Time now);

  private:
    struct Listener;
    struct OfAddress {
        std::unique_ptr<quotas::Rate> rate;
        metrics::Registry::Reading reading;
        bool is_at_rest(Time now) const { return rate->is_at_rest(now); }
    };

    Task<void> follow_hosts();
    Task<void> look_up(std::string host);
    void look_again();
    bool is_protected(const net::ListenerInfo& listener) const;
    Listener& of(const std::string& name);
    double bound_of(const std::string& listener) const;
    Duration throttle(quotas::Rate& rate, double bound, Time now) const;
    Duration throttle_address(const std::string& host, Time now);

    env::Shard& shard_;
    MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    metrics::Registry& metrics_;
    Resolve resolve_;
    quotas::Window window_;
    quotas::Rate node_;
    metrics::Registry::Reading node_reading_;
    std::map<std::string, std::unique_ptr<Listener>, std::less<>> listeners_;
    quotas::Table table_;  // that limits_ were made of
    quotas::ConnectionLimits::Hosts hosts_;
    quotas::ConnectionLimits limits_;
    quotas::Counters<OfAddress, config::IpAddress> addresses_;
    Scope scope_;
};

}  // namespace millrace::broker
