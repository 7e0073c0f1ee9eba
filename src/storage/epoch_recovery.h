#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "storage/leader_epochs.h"
#include "storage/offset.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

class Segment;

// What the file leader-epoch-checkpoint in `directory` says; nothing where it is missing or
// garbled.
Result<std::optional<LeaderEpochs>> read_epochs(env::Disk& disk, const std::string& directory);

// What is known of a log whose leader epochs are to be settled.
struct EpochsOf {
    env::Disk& disk;
    const std::string& directory;
    std::span<const std::unique_ptr<Segment>> segments;
    Offset start = 0;
    Offset end = 0;
    bool clean_shutdown = false;
};

// Holds the epochs against the batches of the log: an epoch begins with a batch of it, behind one
// of an earlier epoch. Where one does not, or where nothing is known of the first batches, either
// of them is wrong. After a clean end the file is right where its checksum says so (checked_text);
// else all epochs are read from the batches anew. True when something changed.
Result<bool> settle_epochs(LeaderEpochs& epochs, const EpochsOf& log);

}  // namespace millrace::storage
