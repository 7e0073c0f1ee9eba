#pragma once

#include <functional>

#include "core/controller/decision.h"
#include "core/metadata/record.h"

namespace millrace::controller {
class State;
}

namespace millrace::quorum {

// What a command wants in the log.
struct Proposal {
    metadata::Records records;
    bool atomic = true;  // in one batch
};
using Decide = std::function<Proposal(const controller::State&, controller::Inputs)>;

}  // namespace millrace::quorum
