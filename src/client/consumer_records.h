#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "client/topic_partition.h"
#include "records/record.h"

namespace millrace::client {

// Records of one batch, in order of offset. They are views into `memory`, which is the receive
// buffer itself when the batch is not compressed: copy what is kept for long, as a small record
// holds a whole response in memory.
struct ConsumedBatch {
    TopicPartition partition;
    std::int32_t leader_epoch = -1;
    TimestampType timestamp_type = TimestampType::create_time;
    Slice memory;
    std::vector<Record> records;
};

// What one poll() gives. The records of a partition are in order; partitions take turns.
struct ConsumerRecords {
    std::vector<ConsumedBatch> batches;
    std::size_t count = 0;  // of records

    bool empty() const { return count == 0; }
};

}  // namespace millrace::client
