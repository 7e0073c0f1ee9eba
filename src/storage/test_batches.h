#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "records/builder.h"

namespace millrace::storage {

// What a test batch holds; its records have consecutive timestamps from `timestamp` on.
struct TestBatch {
    int records = 1;
    std::size_t value_size = 10;
    Timestamp timestamp = 1'000;
    std::int64_t base_offset = 0;
    std::int32_t leader_epoch = no_leader_epoch;
    std::int64_t producer_id = no_producer_id;
    std::int16_t producer_epoch = 0;
    std::int32_t sequence = 0;
    bool transactional = false;
};

inline Slice make_batch(const TestBatch& test = {}) {
    BatchOptions options{.base_offset = test.base_offset,
                         .leader_epoch = test.leader_epoch,
                         .transactional = test.transactional};
    if (test.producer_id != no_producer_id) {
        options.producer_id = test.producer_id;
        options.producer_epoch = test.producer_epoch;
        options.base_sequence = test.sequence;
    }
    BatchBuilder builder(options);
    std::string value(test.value_size, 'v');
    for (int i = 0; i < test.records; ++i) {
        builder.append(test.timestamp + i, as_bytes("key"), as_bytes(value));
    }
    return builder.build();
}

inline Slice make_marker(ControlType type, std::int64_t producer_id, std::int16_t epoch = 0,
                         std::int32_t coordinator_epoch = 0) {
    return transaction_marker_batch(type, {.producer_id = producer_id,
                                           .producer_epoch = epoch,
                                           .coordinator_epoch = coordinator_epoch,
                                           .timestamp = 2'000});
}

}  // namespace millrace::storage
