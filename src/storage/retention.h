#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "base/time.h"
#include "storage/offset.h"

namespace millrace::storage {

// How much of a log is kept; -1: no limit. Of a tiered log, what is kept locally (KIP-405).
struct RetentionLimits {
    std::int64_t ms = -1;     // retention.ms, local.retention.ms
    std::int64_t bytes = -1;  // retention.bytes, local.retention.bytes
};

// One segment, as retention sees it.
struct RetainedSegment {
    Offset base = 0;
    Offset end = 0;  // where the next one begins, or the log's end
    std::uint64_t size = 0;
    bool is_last = false;
};

// How many of the oldest segments go, and why; those of the first reason are the oldest.
struct ExpiredSegments {
    std::size_t below_start = 0;
    std::size_t beyond_size = 0;
    std::size_t beyond_age = 0;

    std::size_t count() const { return below_start + beyond_size + beyond_age; }
};

// The largest timestamp of segments[index], or the time of its last write where it has none.
using LargestTimestamp = std::function<Result<Timestamp>(std::size_t index)>;

// Which segments, from the oldest on, are to go: those wholly below the log's start, then those
// without which the log still has limits.bytes, then those whose records are all older than
// limits.ms. None that ends above `bound`: the high watermark and, of a tiered log, what is copied.
// The last one may go when it is not empty. `largest` is asked for the oldest ones that are left.
Result<ExpiredSegments> expired_segments(std::span<const RetainedSegment> segments, Offset start,
                                         Offset bound, const RetentionLimits& limits, Timestamp now,
                                         const LargestTimestamp& largest);

}  // namespace millrace::storage
