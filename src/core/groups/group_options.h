#pragma once

#include <cstddef>

#include "base/time.h"

namespace millrace::groups {

// Broker configs that the coordinator follows; Kafka's names and defaults.
struct GroupOptions {
    Duration min_session_timeout = Duration::milliseconds(6'000);  // group.min.session.timeout.ms
    Duration max_session_timeout =
        Duration::milliseconds(1'800'000);  // group.max.session.timeout.ms
    Duration initial_rebalance_delay = Duration::milliseconds(3'000);
    std::size_t max_size = 2147483647;                        // group.max.size
    std::size_t max_offset_metadata_bytes = 4096;             // offset.metadata.max.bytes
    Duration offsets_retention = Duration::seconds(604'800);  // offsets.retention.minutes
    Duration offsets_retention_check_interval = Duration::seconds(600);  // .check.interval.ms
};

}  // namespace millrace::groups
