#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/scope.h"
#include "broker/metadata_cache.h"
#include "client/connection.h"
#include "config/broker_config.h"
#include "env/shard.h"

namespace millrace::broker {

// The connection of a shard to another broker, on the listener that brokers talk on.
class LeaderLink {
  public:
    LeaderLink(env::Shard& shard, const MetadataCache& metadata, const config::BrokerConfig& config,
               std::int32_t broker, std::string client_id)
        : shard_(shard),
          metadata_(metadata),
          config_(config),
          broker_(broker),
          client_id_(std::move(client_id)) {}

    // The one that is open, as long as the broker is where it was; or a new one, whose reader and
    // writer run in `scope`. broker_not_available: where it is is not known.
    Task<Result<std::shared_ptr<client::BrokerConnection>>> get(Scope& scope);
    void close(std::string reason);

  private:
    Result<client::ConnectionOptions> options();

    env::Shard& shard_;
    const MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    std::int32_t broker_;
    std::string client_id_;
    std::shared_ptr<client::BrokerConnection> connection_;
};

}  // namespace millrace::broker
