#pragma once

#include <memory>
#include <optional>

#include "base/result.h"
#include "storage/batch_scan.h"
#include "storage/offset_index.h"
#include "storage/timestamped_offset.h"

namespace millrace::env {
class File;
}

namespace millrace::storage {

// A look-up by time in the batches of one segment, from an entry of its offset index on. It keeps
// to the file, which it may read for long, and touches nothing of the log: it runs on any thread.
struct TimestampSearch {
    std::shared_ptr<env::File> file;
    OffsetIndex::Entry from;
    std::uint32_t end = 0;  // of the batches in the file
    Timestamp timestamp = no_timestamp;
    Offset start = 0;  // of the log

    // The first record of at least `timestamp` and at or above `start`.
    Result<std::optional<TimestampedOffset>> first_not_before() const;
    // The first record with `timestamp` in the first batch whose largest one that is; the batch's
    // first offset where all its records bear the time of appending.
    Result<std::optional<TimestampedOffset>> first_of_largest() const;
};

}  // namespace millrace::storage
