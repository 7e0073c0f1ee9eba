#pragma once

#include <string>

#include "base/result.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

// Ends what the cleaner or a deletion had begun in a partition's directory (formats 1.3): .deleted
// and .cleaned files go; .swap files are finished, so that the segments they replace go and they
// take the normal names.
Result<> clear_leftovers(env::Disk& disk, const std::string& directory);

}  // namespace millrace::storage
