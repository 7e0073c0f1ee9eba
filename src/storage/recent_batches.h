#pragma once

#include <memory>
#include <span>

#include "base/result.h"

namespace millrace::storage {

class ProducerState;
class Segment;

// Completes what a snapshot says of producers (their last batch each) by the headers of the batches
// at the end of the log, where `producers` stands: a producer that sends again after a restart what
// was appended before it is answered as one that did not see the restart. Looks back over 64
// entries of the offset index: 256 KiB of small batches, or 64 larger ones, and never more than 16
// MiB.
Result<> recall_recent_batches(std::span<const std::unique_ptr<Segment>> segments,
                               ProducerState& producers);

}  // namespace millrace::storage
