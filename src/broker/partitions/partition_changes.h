#pragma once

#include <vector>

#include "broker/partitions/partition.h"
#include "config/topic_config.h"
#include "storage/log_directory.h"

namespace millrace::broker {

// A replica that this node is to have: its directory is there already, or is made.
struct PartitionOpening {
    Partition::Identity identity;
    storage::LogDirectory* directory = nullptr;
    storage::LogOrigin origin;           // path empty: the directory is made
    storage::Offset high_watermark = 0;  // replication-offset-checkpoint
    metadata::Partition state;
    config::TopicConfig config;
};
// A replica of this node that lies, or may lie, in a log directory that is offline.
struct PartitionOffline {
    TopicIdPartition id;
};
struct PartitionUpdate {
    TopicIdPartition id;
    metadata::Partition state;
};
struct PartitionConfiguration {
    TopicIdPartition id;
    config::TopicConfig config;
};
struct PartitionRemoval {
    TopicIdPartition id;
};

// What is left of a replica that was deleted before the last end.
struct DeletedDirectory {
    storage::LogDirectory* directory = nullptr;
    std::string path;
};

// What one new image asks of the partitions of one shard, beside new ones.
struct PartitionChanges {
    std::vector<PartitionOffline> offline;
    std::vector<PartitionUpdate> updates;
    std::vector<PartitionConfiguration> configurations;
    std::vector<PartitionRemoval> removals;
    std::vector<DeletedDirectory> deleted;
    NodeTerms node;

    bool empty() const {
        return offline.empty() && updates.empty() && configurations.empty() && removals.empty() &&
               deleted.empty();
    }
};

}  // namespace millrace::broker
