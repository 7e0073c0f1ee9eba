#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/uuid.h"
#include "client/consumer_records.h"
#include "client/topic_partition.h"

namespace millrace::client {

// What becomes of a record that a share group's member was given (KIP-932). Values are the wire's.
enum class AcknowledgeType : std::int8_t {
    gap = 0,      // there is no record at the offset
    accept = 1,   // it is done with
    release = 2,  // somebody may have it again
    reject = 3,   // it is done with, though nobody could do anything with it
    renew = 4,    // it is still being worked on: its lock begins anew (KIP-1222)
};

// Offsets that are acknowledged alike; ranges of one partition are in order.
struct AcknowledgedRange {
    std::int64_t first = 0;
    std::int64_t last = 0;
    AcknowledgeType type = AcknowledgeType::accept;

    bool operator==(const AcknowledgedRange&) const = default;
};
using Acknowledgements = std::vector<AcknowledgedRange>;
// Behind all that are there; joins the last one where it can.
inline void append_to(Acknowledgements& ranges, std::int64_t first, std::int64_t last,
                      AcknowledgeType type) {
    if (!ranges.empty() && ranges.back().type == type && ranges.back().last + 1 == first) {
        ranges.back().last = last;
    } else {
        ranges.push_back({first, last, type});
    }
}

// A partition as share sessions name it.
struct SharePartition {
    Uuid topic_id;
    std::int32_t index = 0;

    auto operator<=>(const SharePartition&) const = default;
};

// Records of one batch that this consumer holds; how often each was given out, this time included.
struct AcquiredBatch : ConsumedBatch {
    std::vector<std::int16_t> delivery_counts;  // as many as records
};

// What one poll() gives.
struct ShareRecords {
    std::vector<AcquiredBatch> batches;
    std::size_t count = 0;  // of records

    bool empty() const { return count == 0; }
};

}  // namespace millrace::client
