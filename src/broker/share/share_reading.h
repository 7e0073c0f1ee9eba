#pragma once

#include <optional>
#include <vector>

#include "broker/partitions/partition.h"
#include "core/share/share_types.h"

namespace millrace::broker {

// The bytes of a chain whose pieces may lie in files; what is not in memory is read by a helper
// thread.
Task<Result<Slice>> in_memory(const Chain& chain);

// The whole batches that lie in `records`, where each ends, and those of transactions that were
// aborted. Error as of BatchReader.
Result<> walk(Bytes records, const std::optional<std::vector<Fetched::Aborted>>& aborted,
              std::vector<share::OffsetRange>& batches, std::vector<std::size_t>& ends,
              std::vector<share::OffsetRange>& of_aborted);

}  // namespace millrace::broker
