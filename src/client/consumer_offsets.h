#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/topic_partition.h"
#include "records/batch.h"

namespace millrace::client {

struct OffsetAndMetadata {
    std::int64_t offset = 0;         // of the next record to read
    std::int32_t leader_epoch = -1;  // of the record before it; -1: not known
    std::string metadata;

    bool operator==(const OffsetAndMetadata&) const = default;
};

struct OffsetAndTimestamp {
    std::int64_t offset = -1;
    Timestamp timestamp = no_timestamp;
    std::int32_t leader_epoch = -1;
};

using Partitions = std::vector<TopicPartition>;
using PartitionOffsets = std::map<TopicPartition, OffsetAndMetadata>;

}  // namespace millrace::client
