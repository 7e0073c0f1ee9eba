#pragma once

#include <optional>

#include "broker/coordinators/hosts.h"
#include "broker/coordinators/transaction_host.h"

namespace millrace::broker {

// The transaction hosts of one shard.
class TransactionHosts final : public Hosts<TransactionHost> {
  public:
    TransactionHosts(env::Shard& shard, transactions::TransactionOptions options);
    // Before the first partition is led.
    void use(const TransactionParts& parts) { parts_.emplace(parts); }

  private:
    std::shared_ptr<TransactionHost> make(const std::shared_ptr<Partition>& partition) override;

    transactions::TransactionOptions options_;
    std::optional<TransactionParts> parts_;
};

}  // namespace millrace::broker
