#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/condition.h"
#include "broker/coordinators/coordinator_log.h"
#include "broker/coordinators/transaction_markers.h"
#include "broker/metadata_cache.h"
#include "broker/producer_ids.h"
#include "config/broker_config.h"
#include "core/transactions/transaction_coordinator.h"

namespace millrace::broker {

// What the transactions of one shard need of it.
struct TransactionParts {
    ProducerIds& producer_ids;
    TransactionMarkers& markers;
    MetadataCache& metadata;
    const config::BrokerConfig& config;
};

// Drives the transactions of one partition of __transaction_state that this node leads: brings
// those to their end whose outcome is decided, and aborts those that run out of time. Lives on the
// partition's shard.
class TransactionHost final : private CoordinatorLog::State {
  public:
    TransactionHost(env::Shard& shard, std::shared_ptr<Partition> partition,
                    const transactions::TransactionOptions& options, const TransactionParts& parts);

    // Replays the log; until then everything is answered COORDINATOR_LOAD_IN_PROGRESS.
    void start();
    Task<void> stop();
    ErrorCode ready() const { return log_.ready(); }
    // What coordinator() says is committed then. An error as clients may hear it.
    Task<ErrorCode> settled() { return log_.settled(); }
    const transactions::TransactionCoordinator& coordinator() const { return coordinator_; }
    Timestamp now() const { return shard_.wall_ms(); }

    Task<transactions::ProducerAnswer> init_producer_id(transactions::InitProducerId asked);
    // Where the transaction before is still ending it is waited for, as long as
    // add.partitions.to.txn.retry.backoff.max.ms; then concurrent_transactions.
    Task<ErrorCode> add_partitions(std::string transactional_id,
                                   transactions::ProducerIdAndEpoch producer,
                                   std::vector<transactions::TopicPartition> partitions,
                                   std::int16_t client_version);
    // One code a partition, in their order.
    Task<std::vector<ErrorCode>> verify_partitions(
        std::string transactional_id, transactions::ProducerIdAndEpoch producer,
        std::vector<transactions::TopicPartition> partitions);
    // Answers when the outcome is decided for good; the markers follow.
    Task<transactions::ProducerAnswer> end(transactions::EndTransaction asked);

  private:
    Result<> apply(const coordinator::Record& record, const coordinator::AppendedAs& as) override;
    void loaded() override;
    transactions::Terms terms(std::optional<std::int64_t> fresh_producer_id = std::nullopt) const;
    // Runs `decide(Terms) -> Decision<ProducerAnswer>`, again with a producer id where it wants
    // one.
    template <typename Decide>
    Task<transactions::ProducerAnswer> decide(Decide decide);
    Task<void> finish(std::string transactional_id);
    Task<void> complete(transactions::Ending ending);
    Task<void> abort_late();
    Task<void> expire();

    env::Shard& shard_;
    TransactionParts parts_;
    transactions::TransactionCoordinator coordinator_;
    Time started_;
    Condition completed_;  // some transaction
    CoordinatorLog log_;
};

}  // namespace millrace::broker
