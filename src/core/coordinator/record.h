#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace millrace::coordinator {

// One record of a coordinator's topic; no value is a tombstone.
struct Record {
    Slice key;
    std::optional<Slice> value;
};

// Where a record lies in the log, and which producer's transaction it belongs to, if any.
struct AppendedAs {
    std::int64_t offset = -1;
    std::int64_t producer_id = -1;
};

// A decision that answers once its records are committed (at once when there are none).
template <typename Response>
struct Decision {
    Response response;
    std::vector<Record> records;
};

}  // namespace millrace::coordinator
