#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/coordinator/record.h"
#include "core/transactions/transaction.h"
#include "core/transactions/transaction_options.h"
#include "protocol/describe_transactions.h"
#include "protocol/list_transactions.h"

namespace millrace::transactions {

using coordinator::Decision;

// What a decision depends on beside the state.
struct Terms {
    Timestamp now = 0;         // on the wall
    std::int16_t version = 0;  // transaction.version of the cluster
    // Not used before; asked for where an answer says `wants_producer_id`.
    std::optional<std::int64_t> fresh_producer_id = std::nullopt;
};

struct InitProducerId {
    std::string transactional_id;
    std::int32_t timeout_ms = 0;
    std::optional<ProducerIdAndEpoch> expected;  // what the producer believes it has (KIP-360)
    bool two_phase_commit = false;               // KIP-939
    bool keep_prepared = false;
};
struct ProducerAnswer {
    ErrorCode error = ErrorCode::none;
    ProducerIdAndEpoch producer;     // where there is no error
    bool wants_producer_id = false;  // nothing is decided: the same again, with a fresh one
};

struct EndTransaction {
    std::string transactional_id;
    ProducerIdAndEpoch producer;
    bool commit = false;
    std::int16_t client_version = 0;  // transaction.version by which the request goes
};

// Markers that are to be written before the transaction is complete.
struct Ending {
    std::string transactional_id;
    ProducerIdAndEpoch producer;  // of the markers
    bool commit = false;
    std::int16_t version = 0;
    std::set<TopicPartition> partitions;
};

struct TransactionFilter {
    std::vector<std::string> states;  // unknown ones match nothing
    std::vector<std::int64_t> producer_ids;
    std::int64_t min_duration_ms = -1;
    std::function<bool(const std::string&)> matches;  // of transactional ids; may be empty
};

// The transactional ids of one partition of __transaction_state (KIP-98, KIP-890). Pure. A decision
// presumes that those before were applied: the driver applies each as it appends it.
class TransactionCoordinator {
  public:
    explicit TransactionCoordinator(const TransactionOptions& options) : options_(options) {}

    // One record of the log, in order.
    Result<> apply(const coordinator::Record& record);

    Decision<ProducerAnswer> init_producer_id(const InitProducerId& asked, const Terms& terms);
    // Partitions join the transaction, which begins with the first.
    Decision<ErrorCode> add_partitions(const std::string& transactional_id,
                                       const ProducerIdAndEpoch& producer,
                                       const std::vector<TopicPartition>& partitions,
                                       std::int16_t client_version, const Terms& terms);
    // Whether they are part of it, in their order; transaction_abortable where they are not.
    std::vector<ErrorCode> verify_partitions(const std::string& transactional_id,
                                             const ProducerIdAndEpoch& producer,
                                             const std::vector<TopicPartition>& partitions) const;
    Decision<ProducerAnswer> end(const EndTransaction& asked, const Terms& terms);
    // The coordinator itself aborts the open transaction; its producer is fenced.
    Decision<ProducerAnswer> fence(const std::string& transactional_id, const Terms& terms);
    // The same where it is open for longer than its timeout; invalid_txn_state otherwise.
    Decision<ProducerAnswer> time_out(const std::string& transactional_id, const Terms& terms);
    // The markers are written.
    Decision<ErrorCode> complete(const Ending& ending, const Terms& terms);

    const Transaction* find(const std::string& transactional_id) const;
    // Nothing when no end is decided, or all of it is done.
    std::optional<Ending> ending(const std::string& transactional_id) const;
    std::vector<std::string> ending_ids() const;
    std::vector<std::string> timed_out(Timestamp now) const;
    // Tombstones of ids that nobody used for transactional.id.expiration.ms; at most so many.
    static constexpr std::size_t max_expired = 1'000;
    Decision<int> expire(Timestamp now) const;

    std::vector<ListTransactionsResponse::TransactionState> list(const TransactionFilter& filter,
                                                                 Timestamp now) const;
    DescribeTransactionsResponse::TransactionState describe(
        const std::string& transactional_id) const;
    std::size_t size() const { return transactions_.size(); }
    const std::map<std::string, Transaction>& all() const { return transactions_; }

  private:
    struct LastEpoch {
        ProducerIdAndEpoch producer;  // with which it goes
        std::int16_t epoch = no_producer_epoch;
    };
    template <typename Response>
    Decision<Response> change(const std::string& transactional_id, Transaction next,
                              Response response, const Terms& terms);
    Decision<ProducerAnswer> next_epoch(const InitProducerId& asked, const Transaction& current,
                                        const Terms& terms);
    Decision<ProducerAnswer> end_without_bump(const EndTransaction& asked,
                                              const Transaction& current, const Terms& terms);
    Decision<ProducerAnswer> end_with_bump(const EndTransaction& asked, const Transaction& current,
                                           const Terms& terms);
    Decision<ProducerAnswer> prepare(const std::string& transactional_id,
                                     const Transaction& current, bool commit, const Terms& terms);

    const TransactionOptions& options_;
    std::map<std::string, Transaction> transactions_;
    std::map<std::string, LastEpoch> last_epochs_;
};

}  // namespace millrace::transactions
