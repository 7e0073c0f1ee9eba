#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "storage/offset.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

// Ends what the cleaner or a deletion had begun in a partition's directory (formats 1.3): .deleted
// and .cleaned files go; .swap files are finished, so that the segments they replace go and they
// take the normal names. Returns the bases of segments that a compaction has written, as far as
// leftovers tell: they may end below the next one.
Result<std::set<Offset>> clear_leftovers(env::Disk& disk, const std::string& directory);

}  // namespace millrace::storage
