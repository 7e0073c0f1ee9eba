#pragma once

#include <cstdint>
#include <map>

#include "base/result.h"
#include "base/task.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer_offsets.h"

namespace millrace::client {

using OffsetsByTime = std::map<TopicPartition, Timestamp>;
using FoundOffsets = std::map<TopicPartition, Result<OffsetAndTimestamp>>;

// Asks the leaders of these partitions, all at once, where a time or a named offset is (offset -1:
// nowhere). One attempt; every partition gets an answer or an error.
Task<FoundOffsets> ask_offsets(Cluster& cluster, OffsetsByTime wanted, IsolationLevel isolation);

// The same until all are known, or one cannot be, or the deadline.
Task<Result<std::map<TopicPartition, OffsetAndTimestamp>>> list_offsets(Cluster& cluster,
                                                                        OffsetsByTime wanted,
                                                                        IsolationLevel isolation,
                                                                        Time deadline);

// Where a leader's log ends in an epoch (KIP-320). `epoch` is the largest one not above the one
// that was asked for, -1 when there is none.
struct EpochEnd {
    std::int32_t epoch = -1;
    std::int64_t end_offset = -1;
};
using FoundEpochEnds = std::map<TopicPartition, Result<EpochEnd>>;
struct EpochQuestion {
    std::int32_t epoch = -1;          // of what was read
    std::int32_t current_epoch = -1;  // of the leader, as the asker knows it
};
// One attempt, as ask_offsets().
Task<FoundEpochEnds> ask_epoch_ends(Cluster& cluster,
                                    std::map<TopicPartition, EpochQuestion> wanted);

}  // namespace millrace::client
