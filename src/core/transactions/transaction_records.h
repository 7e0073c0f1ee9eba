#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "core/coordinator/record.h"
#include "core/transactions/transaction.h"

namespace millrace::transactions {

// What a record of __transaction_state says of a transactional id; no transaction is a tombstone.
struct TransactionEntry {
    std::string transactional_id;
    std::optional<Transaction> transaction;
};

// As Apache Kafka 4.3.1 writes it under this transaction.version.
coordinator::Record transaction_record(const std::string& transactional_id,
                                       const Transaction& transaction, std::int16_t version);
coordinator::Record transaction_tombstone(const std::string& transactional_id);
// corrupt_message; nothing for a key of a kind that is not known.
Result<std::optional<TransactionEntry>> parse(const coordinator::Record& record);

}  // namespace millrace::transactions
