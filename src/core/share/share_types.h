#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"

namespace millrace::share {

using Offset = std::int64_t;

struct OffsetRange {
    Offset first = 0;
    Offset last = -1;
    Offset size() const { return last - first + 1; }
    bool operator==(const OffsetRange&) const = default;
};

// The numbers are those of records in __share_group_state.
enum class RecordState : std::int8_t {
    available = 0,
    acquired = 1,
    acknowledged = 2,
    archived = 4,
};

// The numbers are those of requests.
enum class AcknowledgeType : std::int8_t {
    gap = 0,  // there is no record at this offset
    accept = 1,
    release = 2,
    reject = 3,
    renew = 4,  // the member holds it for longer
};
constexpr std::int8_t max_acknowledge_type = 4;

enum class AcquireMode : std::int8_t {
    batch_optimized = 0,  // whole batches, though they have more records than were asked for
    record_limit = 1,
};

// What the share coordinator keeps of offsets that share their state.
struct StateBatch {
    Offset first = 0;
    Offset last = -1;
    RecordState state = RecordState::available;
    std::int16_t delivery_count = 0;
    bool operator==(const StateBatch&) const = default;
};

// What a member has been given, for the so-manieth time.
struct AcquiredRecords {
    Offset first = 0;
    Offset last = -1;
    std::int16_t delivery_count = 0;
    bool operator==(const AcquiredRecords&) const = default;
};

struct Acknowledgement {
    OffsetRange offsets;
    std::vector<std::int8_t> types;  // one for all offsets, or one for each
};

// What the configs of a group, or else of the broker, say of each of its partitions.
struct ShareLimits {
    std::int64_t max_record_locks = 2'000;                    // share.partition.max.record.locks
    std::int32_t delivery_count_limit = 5;                    // share.delivery.count.limit
    Duration lock_duration = Duration::milliseconds(30'000);  // share.record.lock.duration.ms
    bool renews = true;                                       // share.renew.acknowledge.enable
};

}  // namespace millrace::share
