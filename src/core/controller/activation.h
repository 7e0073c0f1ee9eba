#pragma once

#include "core/controller/decision.h"

namespace millrace::controller {

class State;

// The first command of a term: brings the bootstrap records into an empty log, and ends the
// transaction that a leader before left open.
struct Activate {
    metadata::Records bootstrap;  // of bootstrap.checkpoint
};
// Error invalid_record when the bootstrap records have no metadata.version, or a transaction is
// open that this metadata.version cannot abort.
Result<Decision<Done>> decide(const Activate& command, const State& state, Inputs in);

// Every metadata.max.idle.interval.ms without other records.
struct WriteNoOp {};
Decision<Done> decide(const WriteNoOp& command, const State& state, Inputs in);

}  // namespace millrace::controller
