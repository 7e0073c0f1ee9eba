#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "storage/remote/remote_log_segments.h"

namespace millrace::storage::remote {

// What the choice of segments to remove from remote storage depends on, beside the segments.
struct RemoteRetention {
    std::int64_t retention_ms = -1;     // retention.ms; -1: for ever
    std::int64_t retention_bytes = -1;  // retention.bytes, of the whole log; -1: without bound
    Timestamp now = 0;
    // The log.
    Offset log_start = 0;
    Offset log_end = 0;
    const LeaderEpochs* epochs = nullptr;
    std::uint64_t only_local_bytes = 0;  // of segments that are not copied yet
    // Who asks: a copy that it had begun and is not at work on will never be finished.
    std::int32_t broker_id = -1;
    const std::set<Uuid>* being_copied = nullptr;
};

struct RemoteExpiry {
    // To be removed, oldest first; they live as long as the segments they were chosen of.
    std::vector<const RemoteLogSegmentMetadata*> segments;
    // The log begins here when they have gone.
    std::optional<Offset> log_start;
    // Of the log, here and remotely, each record once.
    std::uint64_t total_bytes = 0;
};

// By age, by size, below the log's start, outside the log's history, and unfinished removals and
// copies.
RemoteExpiry choose_expired(const RemoteLogSegments& segments, const RemoteRetention& retention);

}  // namespace millrace::storage::remote
