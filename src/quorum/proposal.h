#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "core/controller/decision.h"
#include "core/metadata/record.h"

namespace millrace::controller {
class State;
}

namespace millrace::quorum {

// What a command wants in the log.
struct Proposal {
    metadata::Records records;
    bool atomic = true;                              // in one batch
    std::optional<std::int16_t> kraft_version = {};  // to be raised with them
};
using Decide = std::function<Proposal(const controller::State&, controller::Inputs)>;

}  // namespace millrace::quorum
