#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "storage/offset.h"

namespace millrace::storage {

// Settings of one log, each named after Kafka's topic or broker config; may change at run time.
struct LogOptions {
    std::int32_t segment_bytes = 1 << 30;                 // segment.bytes
    std::int64_t segment_ms = 7LL * 24 * 60 * 60 * 1000;  // segment.ms
    std::int64_t segment_jitter_ms = 0;                   // segment.jitter.ms
    std::int32_t index_interval_bytes = 4096;             // index.interval.bytes
    std::int32_t segment_index_bytes = 10 * 1024 * 1024;  // segment.index.bytes
    bool preallocate = false;                             // preallocate
    std::int64_t file_delete_delay_ms = 60'000;           // file.delete.delay.ms
    std::int64_t producer_id_expiration_ms = 86'400'000;  // producer.id.expiration.ms
    // Compaction.
    std::int64_t min_compaction_lag_ms = 0;         // min.compaction.lag.ms
    std::int64_t delete_retention_ms = 86'400'000;  // delete.retention.ms
    std::int64_t max_compaction_lag_ms =            // max.compaction.lag.ms
        std::numeric_limits<std::int64_t>::max();
    // remote.storage.enable: the log may begin before its first segment, in remote storage.
    bool tiered = false;
};

// What is known of a log before its files are read.
struct LogOrigin {
    std::string path;                   // the partition's directory; made when missing
    Offset log_start = 0;               // log-start-offset-checkpoint
    Offset recovery_point = 0;          // recovery-point-offset-checkpoint
    std::optional<Offset> first_dirty;  // cleaner-offset-checkpoint
    bool clean_shutdown = false;        // .kafka_cleanshutdown was there
    // A sync may have failed since the file system was mounted: the system takes pages for clean
    // that never reached the device, and would not sync them again.
    bool pages_in_doubt = true;
    LogOptions options;
    // Kept up to date with how many segments are still to be recovered; may be null.
    std::atomic<std::uint32_t>* segments_left = nullptr;
};

}  // namespace millrace::storage
