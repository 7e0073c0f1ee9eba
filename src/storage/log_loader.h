#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "storage/leader_epochs.h"
#include "storage/log_options.h"
#include "storage/offset.h"
#include "storage/producer_state.h"
#include "storage/segment.h"

namespace millrace::storage {

// What a partition's directory holds.
struct LoadedLog {
    std::vector<std::unique_ptr<Segment>> segments;  // ascending, at least one
    std::set<Offset> snapshots;
    LeaderEpochs epochs;
    bool epochs_changed = false;
    ProducerState producers;
    Offset start = 0;
    Offset local_start = 0;  // above it when the log is tiered
    Offset end = 0;
    Offset flushed = 0;
    bool changed = false;  // files were written or removed
};

// Reads the directory, and repairs what an unclean end left: drops unfinished work of the cleaner,
// checks every batch of the segments that were not flushed, cuts the log before the first one that
// is broken, and rebuilds indexes, leader epochs and producers. Blocking; safe on a helper thread.
Result<LoadedLog> load_log(env::Disk& disk, const LogOrigin& origin, Timestamp now);

}  // namespace millrace::storage
