#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

// What coordinators of transactions are asked (KIP-664).

struct TransactionListing {
    std::string id;
    std::int32_t coordinator = -1;
    std::int64_t producer_id = -1;
    std::string state;  // "Ongoing"
};
struct TransactionListFilter {
    std::vector<std::int64_t> producer_ids;  // of none: all
    std::int64_t min_duration_ms = -1;       // open for longer; -1: all
    std::optional<std::string> pattern;      // of ids, RE2's syntax (KIP-1152)
};
// Of all brokers; fails when one does not answer. By coordinator, then by id.
Task<Result<std::vector<TransactionListing>>> list_transactions(Admin& admin,
                                                                TransactionListFilter filter = {});

struct TransactionDescription {
    std::int32_t coordinator = -1;
    std::string state;
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = -1;
    std::int32_t timeout_ms = 0;
    Timestamp started = -1;  // -1: none is open, or was
    std::vector<TopicPartition> partitions;
};
// TRANSACTIONAL_ID_NOT_FOUND.
Task<Result<TransactionDescription>> describe_transaction(Admin& admin, std::string id);

// Ends what a producer has open in one partition by a marker, whatever its coordinator knows.
struct HangingTransaction {
    TopicPartition partition;
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = -1;
    std::int32_t coordinator_epoch = 0;
};
Task<Result<>> abort_transaction(Admin& admin, HangingTransaction transaction);

// Aborts what the id has open, and fences its producer.
Task<Result<>> terminate_transaction(Admin& admin, std::string id);

}  // namespace millrace::client
