#pragma once

#include <string>
#include <vector>

#include "broker/fetchers/broker_links.h"
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
    Task<void> stop() { co_await links_.stop(); }

  private:
    Task<std::vector<ErrorCode>> ask_here(const TransactionJoin& join);
    Task<std::vector<ErrorCode>> ask_there(const TransactionJoin& join, std::int32_t broker);

    env::Shard& shard_;
    const Node& node_;
    Transactions& transactions_;
    MetadataCache& metadata_;
    metrics::Meter& failures_;
    metrics::Histogram& time_ms_;
    BrokerLinks links_;
};

}  // namespace millrace::broker
