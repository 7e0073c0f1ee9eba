#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/scope.h"
#include "base/time.h"
#include "broker/metadata_cache.h"
#include "config/broker_config.h"
#include "env/shard.h"
#include "net/request.h"
#include "quorum/metadata_quorum.h"

namespace millrace::broker {

// Notices, where this node is the active controller, that a broker's process has ended, long before
// its session has: the connection of its heartbeats closes, and its listeners refuse connections
// for broker.session.refusal.ms. Silence shows nothing; that is what broker.session.timeout.ms is
// for. One on each shard, for the connections there; shard 0's also asks after the brokers that a
// new term of office begins with, since whatever closed their connections may have ended the
// controller before, too.
class FailureDetector {
  public:
    FailureDetector(env::Shard& shard, quorum::MetadataQuorum& quorum, MetadataCache& metadata,
                    const config::BrokerConfig& config);

    // On shard 0 only.
    void start();
    Task<void> stop();

    // A heartbeat of this life of a broker was accepted that came over a connection.
    void heard(const net::Peer& from, std::int32_t broker, std::int64_t epoch);
    void closed(const net::Peer& peer);

  private:
    struct Life {
        std::int32_t broker = -1;
        std::int64_t epoch = -1;
    };
    Task<void> watch_terms(std::int32_t self);
    void suspect(Life life);
    Task<void> look_for(Life life, std::vector<env::Address> addresses, Time since);

    env::Shard& shard_;
    quorum::MetadataQuorum& quorum_;
    MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    Duration window_;                           // none: nothing is concluded from refusals
    std::map<std::uint64_t, Life> heartbeats_;  // by the connection they come over
    bool stopped_ = false;
    Scope scope_;
};

}  // namespace millrace::broker
