#pragma once

#include <vector>

#include "broker/coordinators/coordinator_route.h"
#include "broker/coordinators/transaction_hosts.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {

// The way from a handler to the host of a transactional id.
class Transactions final : public CoordinatorRoute<TransactionHosts> {
  public:
    Transactions(PartitionRouter& router, MetadataCache& metadata,
                 std::vector<TransactionHosts*> by_shard)
        : CoordinatorRoute(metadata::transaction_state_topic, router, metadata,
                           std::move(by_shard)) {}
};

}  // namespace millrace::broker
