#pragma once

#include "base/result.h"
#include "storage/offset.h"

namespace millrace::storage {

class ProducerState;
class Segment;

// Applies the batches of a segment from map_end_offset() on that begin below `end`. Reads their
// headers, and control batches whole. Blocks on pages that are not in memory.
Result<> replay_producers(Segment& segment, Offset end, ProducerState& producers);

}  // namespace millrace::storage
