#pragma once

#include <cstdint>
#include <functional>

#include "base/task.h"
#include "base/time.h"
#include "storage/offset.h"

namespace millrace::storage {

// What of a log could be compacted now (Apache's LogToClean).
struct DirtySection {
    Offset first_dirty = 0;        // records below were compacted before
    Offset first_uncleanable = 0;  // the base of the first segment that has to wait
    std::uint64_t clean_bytes = 0;
    std::uint64_t dirty_bytes = 0;  // of what may be compacted
    // By how much the oldest dirty record has missed max.compaction.lag.ms.
    std::int64_t delay_ms = 0;
    // The checkpoint named an offset outside the log.
    bool checkpoint_was_wrong = false;

    bool empty() const { return clean_bytes + dirty_bytes == 0; }
    double ratio() const {
        return empty() ? 0
                       : static_cast<double>(dirty_bytes) /
                             static_cast<double>(clean_bytes + dirty_bytes);
    }
    // min.cleanable.dirty.ratio is exceeded, or it is high time.
    bool is_due(double min_ratio) const {
        return !empty() && ((delay_ms > 0 && dirty_bytes > 0) || ratio() > min_ratio);
    }
};

struct CompactionStats {
    std::uint64_t map_bytes_read = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;
    std::int64_t map_records_read = 0;
    std::int64_t records_read = 0;
    std::int64_t records_kept = 0;
    std::int64_t records_without_key = 0;
};

struct CompactionTerms {
    Offset last_stable = 0;                            // nothing behind it is compacted
    std::size_t map_memory = std::size_t{128} << 20U;  // of one cleaner
    double map_load_factor = 0.9;                      // log.cleaner.io.buffer.load.factor
    std::size_t io_buffer_size = std::size_t{256} << 10U;
    // How much is moved between two looks at the clock, the throttle and who wants to stop it.
    std::uint64_t step_bytes = std::uint64_t{4} << 20U;
    // Is told of the bytes that were read and written, and ends when more may be; may be empty.
    std::function<Task<void>(std::uint64_t bytes)> pace;
};

struct CompactionReport {
    bool finished = false;       // false: the log changed or was to be closed meanwhile
    Offset first_dirty = 0;      // after it
    double map_utilization = 0;  // part of map_memory
    CompactionStats stats;
};

}  // namespace millrace::storage
