#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "core/raft/replica.h"

namespace millrace::quorum {

// --initial-controllers of kafka-storage: ID@HOST:PORT:DIRECTORY-ID, separated by commas; heard on
// this listener. Error invalid_request with Apache's sentence.
Result<raft::VoterSet> parse_initial_controllers(std::string_view text, std::string_view listener);

}  // namespace millrace::quorum
