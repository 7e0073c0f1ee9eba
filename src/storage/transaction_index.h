#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "records/batch.h"
#include "storage/offset.h"

namespace millrace::storage {

// One entry of N.txnindex (formats 4.3).
struct AbortedTransaction {
    std::int64_t producer_id = no_producer_id;
    Offset first_offset = no_offset;
    Offset last_offset = no_offset;         // the marker's
    Offset last_stable_offset = no_offset;  // right behind the marker's write

    bool operator==(const AbortedTransaction&) const = default;
};

}  // namespace millrace::storage
