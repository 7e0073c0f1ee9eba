#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/time.h"
#include "records/batch.h"

namespace millrace::transactions {

// As __transaction_state and the tools name them (KIP-98). dead and prepare_epoch_fence are never
// written.
enum class TransactionState : std::int8_t {
    empty = 0,
    ongoing = 1,
    prepare_commit = 2,
    prepare_abort = 3,
    complete_commit = 4,
    complete_abort = 5,
    dead = 6,
    prepare_epoch_fence = 7,
};
std::string_view to_string(TransactionState state);
std::optional<TransactionState> state_named(std::string_view name);

struct TopicPartition {
    std::string topic;
    std::int32_t partition = 0;
    auto operator<=>(const TopicPartition&) const = default;
};

// A producer id with the epoch that its holder has.
struct ProducerIdAndEpoch {
    std::int64_t id = no_producer_id;
    std::int16_t epoch = no_producer_epoch;
    bool operator==(const ProducerIdAndEpoch&) const = default;
};

// Of a transactional id: its producer, and the transaction that is open or was the last one.
struct Transaction {
    ProducerIdAndEpoch producer;
    std::int64_t previous_producer_id = no_producer_id;  // before the last change
    std::int64_t next_producer_id = no_producer_id;      // from the end on, where epochs run out
    // Of the same holder, whose answer may have been lost (KIP-360). Not in the log.
    std::int16_t last_epoch = no_producer_epoch;
    std::int32_t timeout_ms = 0;
    TransactionState state = TransactionState::empty;
    std::set<TopicPartition> partitions;
    Timestamp started = -1;
    Timestamp updated = -1;
    std::int16_t client_version = 0;  // transaction.version that its client goes by

    bool is_open() const { return state == TransactionState::ongoing; }
    // The outcome is decided; markers are being written.
    bool is_ending() const {
        return state == TransactionState::prepare_commit ||
               state == TransactionState::prepare_abort;
    }
    bool operator==(const Transaction&) const = default;
};

// The largest epoch is kept for fencing whoever has the one before.
inline constexpr std::int16_t largest_epoch = 32'767;
inline bool is_exhausted(std::int16_t epoch) { return epoch >= largest_epoch - 1; }

// From this transaction.version on each end of a transaction moves its producer to the next epoch
// (KIP-890).
inline constexpr std::int16_t epoch_bump_version = 2;

}  // namespace millrace::transactions
