#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/condition.h"
#include "core/transactions/transaction.h"

namespace millrace::broker {

// Partitions that are to be part of a transaction before its records are written there (KIP-890).
struct TransactionJoin {
    std::string transactional_id;
    transactions::ProducerIdAndEpoch producer;
    std::vector<transactions::TopicPartition> partitions;
    bool verify_only = false;  // they are to be part of it already
};

// Asks the transaction's coordinator, wherever it is.
class TransactionVerifier {
  public:
    // One code a partition, in their order: none, or one of the coordinator's; network_exception,
    // coordinator_not_available.
    virtual Task<std::vector<ErrorCode>> ask(TransactionJoin join) = 0;

  protected:
    ~TransactionVerifier() = default;
};

// Transactional batches of one partition that wait for their coordinator. Those of one producer are
// appended in the order in which they came; and a marker that comes first has ended the transaction
// that was verified.
class Verifications {
  public:
    class Pending {
      public:
        Pending(Verifications& among, std::int64_t producer_id)
            : among_(among), producer_id_(producer_id) {
            among_.pending_.push_back(this);
        }
        Pending(const Pending&) = delete;
        ~Pending() { release(); }
        // No marker has come since it began to wait.
        bool is_valid() const { return valid_; }
        // It is appended, or refused: the next one's turn has come.
        void release() {
            if (std::erase(among_.pending_, this) > 0) among_.changed_.notify_all();
        }
        // Ends when no earlier one of the same producer waits.
        Task<void> turn() {
            return among_.changed_.until([this] { return among_.first_of(producer_id_) == this; });
        }

      private:
        friend class Verifications;
        Verifications& among_;
        std::int64_t producer_id_;
        bool valid_ = true;
    };

    bool holds(std::int64_t producer_id) const { return first_of(producer_id) != nullptr; }
    // A marker of the producer is appended.
    void transaction_ended(std::int64_t producer_id) {
        for (Pending* each : pending_) each->valid_ &= each->producer_id_ != producer_id;
    }

  private:
    const Pending* first_of(std::int64_t producer_id) const {
        auto found = std::ranges::find(pending_, producer_id, &Pending::producer_id_);
        return found == pending_.end() ? nullptr : *found;
    }

    std::vector<Pending*> pending_;  // in order of arrival
    Condition changed_;
};

}  // namespace millrace::broker
