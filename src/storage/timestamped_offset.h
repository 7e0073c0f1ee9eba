#pragma once

#include <cstdint>

#include "base/time.h"
#include "records/batch.h"
#include "storage/offset.h"

namespace millrace::storage {

// A record that a look-up by time has found, as ListOffsets answers it.
struct TimestampedOffset {
    Timestamp timestamp = no_timestamp;
    Offset offset = no_offset;
    std::int32_t leader_epoch = no_leader_epoch;

    bool operator==(const TimestampedOffset&) const = default;
};

}  // namespace millrace::storage
