#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/offset.h"

namespace millrace::storage {

struct EpochStart {
    std::int32_t epoch = 0;
    Offset start_offset = 0;

    bool operator==(const EpochStart&) const = default;
};

struct EpochEnd {
    std::int32_t epoch = -1;
    Offset end_offset = no_offset;

    bool operator==(const EpochEnd&) const = default;
};

// Which leader epoch wrote which offsets of a log (KIP-101), ascending in both. Its file is
// leader-epoch-checkpoint.
class LeaderEpochs {
  public:
    // True when something changed. An entry at or above the new one in epoch or offset is dropped.
    bool assign(std::int32_t epoch, Offset start_offset);
    // Drops the epochs that begin at `end_offset` or later; true when something changed.
    bool truncate_from_end(Offset end_offset);
    // Nothing is known of offsets below `start_offset` any more.
    bool truncate_from_start(Offset start_offset);
    void clear() { entries_.clear(); }

    // What OffsetForLeaderEpoch answers: the largest epoch not above `epoch` and where it ends; no
    // value when the epoch is not known here. `log_end` ends the latest epoch.
    std::optional<EpochEnd> end_of(std::int32_t epoch, Offset log_end) const;
    std::optional<std::int32_t> epoch_at(Offset offset) const;
    std::optional<EpochStart> latest() const;
    std::optional<EpochStart> earliest() const;
    std::optional<EpochStart> previous(std::int32_t epoch) const;
    const std::vector<EpochStart>& entries() const { return entries_; }

    std::string to_text() const;
    static Result<LeaderEpochs> parse(std::string_view text, std::string_view name);

  private:
    std::vector<EpochStart> entries_;
};

}  // namespace millrace::storage
