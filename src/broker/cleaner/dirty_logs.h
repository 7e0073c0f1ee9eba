#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "broker/partitions/partitions.h"
#include "storage/compaction_terms.h"

namespace millrace::broker {

// A log with cleanup.policy=compact, as its shard sees it at one moment.
struct DirtyLog {
    TopicIdPartition id;
    std::string name;       // orders-3
    std::string directory;  // entry of log.dirs
    Result<storage::DirtySection> section;
    double min_ratio = 0;  // min.cleanable.dirty.ratio
};
std::vector<DirtyLog> dirty_logs(const Partitions& partitions, Timestamp now);

// One round of compaction of a partition of this shard, up to its last stable offset. Nothing is
// done when it is gone or is no longer to be compacted.
Task<Result<storage::CompactionReport>> compact(const Partitions& partitions,
                                                const TopicIdPartition& id,
                                                storage::CompactionTerms terms);

}  // namespace millrace::broker
