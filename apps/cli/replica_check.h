#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "client/topic_partition.h"

namespace millrace::cli {

// What one replica answered to a fetch from the offset that all were asked for.
struct ReplicaAnswer {
    std::int32_t broker = 0;
    std::int64_t high_watermark = -1;
    Slice records;
};

// What comparing the answers of a partition's replicas comes to.
struct ReplicaCheck {
    std::int64_t next_offset = 0;         // behind what all of them have
    std::vector<std::string> mismatches;  // of checksums; sentences
    std::optional<std::string> parted;    // batches that do not even lie at the same offsets
};

// Batch by batch, as far as every replica has them and below its high watermark. Error
// corrupt_message: what a replica sent is no batch.
Result<ReplicaCheck> check_replicas(const client::TopicPartition& partition, std::int64_t from,
                                    std::span<const ReplicaAnswer> answers);

}  // namespace millrace::cli
