#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/fetchers/leader_link.h"

namespace millrace::broker {

// The connections of a shard to other brokers for one purpose: one each, opened when it is needed.
class BrokerLinks {
  public:
    BrokerLinks(env::Shard& shard, const MetadataCache& metadata,
                const config::BrokerConfig& config, std::string client_id)
        : shard_(shard),
          metadata_(metadata),
          config_(config),
          client_id_(std::move(client_id)),
          scope_(shard) {}

    // One attempt at a time to open it.
    Task<Result<std::shared_ptr<client::BrokerConnection>>> connect(std::int32_t broker);
    Task<void> stop() { co_await scope_.close(); }

  private:
    struct Link {
        LeaderLink link;
        bool is_opening = false;
        Condition opened;
    };

    env::Shard& shard_;
    const MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    std::string client_id_;
    std::map<std::int32_t, std::unique_ptr<Link>> links_;
    Scope scope_;
};

}  // namespace millrace::broker
