#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "broker/fetchers/leader_link.h"
#include "broker/node.h"
#include "broker/partitions/verifications.h"
#include "broker/transactions.h"
#include "config/broker_config.h"
#include "metrics/registry.h"

namespace millrace::broker {

// Asks the transaction's coordinator, in this node or another one.
class TransactionJoins final : public TransactionVerifier {
  public:
    TransactionJoins(env::Shard& shard, const Node& node, Transactions& transactions,
                     MetadataCache& metadata, const config::BrokerConfig& config,
                     metrics::Registry& registry);

    Task<std::vector<ErrorCode>> ask(TransactionJoin join) override;
    Task<void> stop();

  private:
    Task<std::vector<ErrorCode>> ask_here(const TransactionJoin& join);
    Task<std::vector<ErrorCode>> ask_there(const TransactionJoin& join, std::int32_t broker);
    // To another broker; one attempt at a time to open it.
    struct Link {
        LeaderLink link;
        bool is_opening = false;
        Condition opened;
    };
    Task<Result<std::shared_ptr<client::BrokerConnection>>> connect(std::int32_t broker);

    env::Shard& shard_;
    const Node& node_;
    Transactions& transactions_;
    MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    std::map<std::int32_t, std::unique_ptr<Link>> links_;
    metrics::Meter& failures_;
    metrics::Histogram& time_ms_;
    Scope scope_;
};

}  // namespace millrace::broker
