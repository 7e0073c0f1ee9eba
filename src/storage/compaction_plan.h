#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "storage/batch_filter.h"
#include "storage/offset.h"
#include "storage/transaction_index.h"

namespace millrace::storage {

class Segment;

// A sealed segment that is to be compacted.
struct CompactionSource {
    const Segment* identity = nullptr;  // compared only
    Offset base = 0;
    Offset next_base = 0;  // of the segment behind it
    std::uint32_t size = 0;
    std::uint64_t offset_index_bytes = 0;
    std::uint64_t time_index_bytes = 0;
    std::string path;  // of the .log file
};

struct CompactionLimits {
    std::uint64_t segment_bytes = 0;  // segment.bytes
    std::uint64_t index_bytes = 0;    // segment.index.bytes
};
// How many consecutive sources become one segment each time: as many as fit the limits of a
// segment, and at least one.
std::vector<std::size_t> group_sources(std::span<const CompactionSource> sources,
                                       const CompactionLimits& limits);

// What one round of compaction works on: taken from a log at one moment.
struct CompactionPlan {
    std::string directory;
    std::vector<CompactionSource> sources;  // ascending; the log's first ones
    Offset first_dirty = 0;                 // records below were compacted before
    std::vector<AbortedTransaction> aborted;
    ActiveProducers producers;
    Timestamp now = 0;
    std::int64_t delete_retention_ms = 0;
    std::int32_t index_interval_bytes = 0;
    CompactionLimits limits;
};

}  // namespace millrace::storage
