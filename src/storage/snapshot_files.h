#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "storage/offset.h"
#include "storage/producer_state.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

// Writes the state as DIRECTORY/N.snapshot, N its map_end_offset().
Result<> write_snapshot(env::Disk& disk, const std::string& directory, const ProducerState& state,
                        bool sync);
// Loads the latest snapshot that reads well into `state`, which then stands at its offset; the
// broken ones are removed. Without any the state is empty and stands at `start`.
Result<> load_latest_snapshot(env::Disk& disk, const std::string& directory,
                              std::set<Offset>& snapshots, Offset start, Timestamp now,
                              std::int64_t expiration_ms, ProducerState& state);

}  // namespace millrace::storage
