#pragma once

#include <memory>
#include <span>

#include "base/result.h"
#include "storage/leader_epochs.h"
#include "storage/offset.h"

namespace millrace::storage {

class Segment;

// Holds what leader-epoch-checkpoint says against the batches of the log, since that file has no
// checksum: an epoch begins with a batch of it, behind one of an earlier epoch. Where it does not,
// or where the file knows nothing of the first batches, all epochs are read from the batches anew.
// True when something changed.
Result<bool> settle_epochs(LeaderEpochs& epochs, std::span<const std::unique_ptr<Segment>> segments,
                           Offset log_start);

}  // namespace millrace::storage
