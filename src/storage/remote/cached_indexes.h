#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "storage/offset.h"
#include "storage/remote/stored_segment.h"
#include "storage/transaction_index.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage::remote {

// Aborted transactions that touch a range of offsets, ascending by last offset.
struct AbortedInRange {
    std::vector<AbortedTransaction> transactions;
    // Later segments have no more of them.
    bool complete = false;
};

// The offset, time and transaction index of one remote segment as files here, named as Apache's
// RemoteIndexCache names them: START_OFFSET_SEGMENT_ID.index, .timeindex and .txnindex. Blocking;
// from any thread.
class CachedIndexes {
  public:
    CachedIndexes(env::Disk& disk, const std::string& directory, Offset start, const Uuid& id);

    // Takes the place of what is there. Synced and renamed one by one: whoever finds all three
    // finds them whole.
    Result<> write(const SegmentIndexes& indexes);
    Result<> remove();
    // corrupt_message when they cannot be those of a segment; their bytes.
    Result<std::uint64_t> check();

    // A batch begins at `position` from which on those that hold the offset or more lie; the first
    // of them begins at `latest` at the latest, where that is known.
    struct Place {
        std::uint64_t position = 0;
        std::optional<std::uint64_t> latest;
    };
    Result<Place> place_of(Offset offset);
    // The same for records of at least `timestamp` at or above `start`.
    Result<Place> place_of(Timestamp timestamp, Offset start);
    // An offset at or behind the last one that lies before `position`; nothing behind the last
    // entry.
    Result<std::optional<Offset>> bound_of(std::uint64_t position);
    // Of readers of [from, to).
    Result<AbortedInRange> aborted(Offset from, Offset to);

  private:
    std::string path(std::string_view suffix) const { return stem_ + std::string(suffix); }

    env::Disk& disk_;
    std::string stem_;
    Offset start_;
};

// What a file of CachedIndexes is named after.
struct CachedIndexName {
    Offset start = 0;
    Uuid id;
    std::string suffix;
};
std::optional<CachedIndexName> parse_cached_index(std::string_view name);

}  // namespace millrace::storage::remote
