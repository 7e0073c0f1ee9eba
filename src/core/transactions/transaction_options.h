#pragma once

#include <cstdint>

namespace millrace::transactions {

// Broker configs that the coordinator follows; Kafka's names and defaults.
struct TransactionOptions {
    std::int64_t max_timeout_ms = 900'000;     // transaction.max.timeout.ms
    std::int64_t expiration_ms = 604'800'000;  // transactional.id.expiration.ms
    bool two_phase_commit = false;             // transaction.two.phase.commit.enable
};

}  // namespace millrace::transactions
