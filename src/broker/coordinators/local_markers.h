#pragma once

#include <vector>

#include "broker/groups.h"
#include "broker/partition_router.h"

namespace millrace::broker {

// One marker of one partition, and where its outcome goes.
struct LocalMarker {
    TopicIdPartition id;
    bool of_groups = false;  // a partition of __consumer_offsets: its offsets count, or are dropped
    TransactionEnd end;
    ErrorCode* outcome = nullptr;
};

// Writes those of partitions that this node leads; ends when they are on stable storage. Markers
// reach a partition in the order given; their syncs overlap.
Task<void> write_markers_here(PartitionRouter& router, Groups& groups,
                              std::vector<LocalMarker> markers);

}  // namespace millrace::broker
