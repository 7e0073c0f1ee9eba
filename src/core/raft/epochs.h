#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/raft/replica.h"

namespace millrace::raft {

// Which leader epochs a log holds and where each begins.
class EpochHistory {
  public:
    struct Entry {
        std::int32_t epoch = 0;
        std::int64_t start = 0;
        bool operator==(const Entry&) const = default;
    };

    // Records from `start` on are of this epoch; nothing new when it is the last one already.
    void assign(std::int32_t epoch, std::int64_t start);
    void truncate(std::int64_t end_offset);
    // The log begins here now: what ended before is forgotten.
    void drop_before(std::int64_t start_offset);
    // 0 for a log that never had a record.
    std::int32_t last() const { return entries_.empty() ? 0 : entries_.back().epoch; }
    // The greatest epoch that is not above `epoch`, and where it ends in a log that ends at
    // `log_end`. None: every epoch of the log is above it.
    std::optional<OffsetAndEpoch> end_of(std::int32_t epoch, std::int64_t log_end) const;
    const std::vector<Entry>& entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
};

// What the step function knows of the log: its frame, not its records.
struct LogFacts {
    std::int64_t start = 0;
    std::int64_t end = 0;
    EpochHistory epochs;
    std::optional<OffsetAndEpoch> earliest_snapshot;
    std::optional<OffsetAndEpoch> latest_snapshot;

    // The snapshot's epoch when everything before the end is in it.
    std::int32_t last_epoch() const;
    OffsetAndEpoch last() const { return {end, last_epoch()}; }
    OffsetAndEpoch end_of(std::int32_t epoch) const;

    // Whether a replica whose log ends at `at` can go on from there.
    struct Verdict {
        enum class Kind { valid, diverging, snapshot } kind = Kind::valid;
        OffsetAndEpoch where;  // end of the common part; or which snapshot to fetch
    };
    Verdict validate(OffsetAndEpoch at) const;
    // Where a log that diverges from its leader's must end.
    std::int64_t truncation_point(OffsetAndEpoch diverging) const;
    void truncate(std::int64_t end_offset);
};

}  // namespace millrace::raft
