#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "storage/log.h"

namespace millrace::broker {

// Appends batches of another replica to one that is empty or has what is before them. The first one
// of an empty log may begin before its start, where DeleteRecords has moved that into a batch.
Result<storage::Appended> append_replicated(storage::Log& log, Slice batches);

}  // namespace millrace::broker
