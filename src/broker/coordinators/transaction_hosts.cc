#include "broker/coordinators/transaction_hosts.h"

#include "core/metadata/topic_names.h"

namespace millrace::broker {

TransactionHosts::TransactionHosts(env::Shard& shard, transactions::TransactionOptions options)
    : Hosts(shard, metadata::transaction_state_topic), options_(options) {}

std::shared_ptr<TransactionHost> TransactionHosts::make(
    const std::shared_ptr<Partition>& partition) {
    CHECK(parts_);
    return std::make_shared<TransactionHost>(shard_, partition, options_, *parts_);
}

}  // namespace millrace::broker
