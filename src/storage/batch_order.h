#pragma once

#include <cstdint>
#include <optional>

#include "records/batch.h"
#include "storage/offset.h"

namespace millrace::storage {

// The order of a segment's batches in recovery. Base offset and leader epoch are outside the CRC,
// and ascend; where a batch contradicts those before it, either may be the one that is wrong.
class BatchOrder {
  public:
    explicit BatchOrder(Offset base) : base_(base), end_(base) {}

    // False where `batch`, at `position` of the segment, cannot follow.
    bool add(const BatchView& batch, std::uint32_t position);
    // Behind the last batch that was added.
    Offset end() const { return end_; }
    // The segment is known to end at `end` or below: where its last batch ends above, and would
    // not without its leap, that is misplaced.
    void end_at_most(Offset end);
    void end_at(Offset end);
    // Where a batch lies that was added, and cannot be right.
    std::optional<std::uint32_t> misplaced() const { return misplaced_; }

  private:
    // The last batch that skips offsets or begins an epoch.
    struct Leap {
        std::uint32_t position;
        Offset least;
        std::int32_t epoch;
        Offset end;
        Offset end_without;
    };
    bool ends_with_leap() const { return leap_ && leap_->end == end_; }

    Offset base_;
    Offset end_;
    std::int32_t epoch_ = no_leader_epoch;
    std::optional<Leap> leap_;
    std::optional<std::uint32_t> misplaced_;
};

}  // namespace millrace::storage
