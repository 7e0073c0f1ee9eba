#pragma once

#include <cstdint>

#include "base/result.h"
#include "broker/controllers.h"

namespace millrace::broker {

// What __remote_log_metadata is made with: keys of Apache's TopicBasedRemoteLogMetadataManager,
// below remote.log.metadata.manager.impl.prefix.
struct RemoteLogMetadataTopic {
    std::int32_t partitions = 50;         // remote.log.metadata.topic.num.partitions
    std::int16_t replication_factor = 3;  // remote.log.metadata.topic.replication.factor
    std::int64_t retention_ms = -1;       // remote.log.metadata.topic.retention.ms
    std::int16_t min_isr = 2;             // remote.log.metadata.topic.min.isr

    // invalid_config names the key.
    static Result<RemoteLogMetadataTopic> parse(const config::BrokerConfig& config);
};

// Makes the topic unless it is there; tries until it is.
Task<void> create_metadata_topic(env::Shard& shard, Controllers& controllers,
                                 MetadataCache& metadata, RemoteLogMetadataTopic topic);

}  // namespace millrace::broker
