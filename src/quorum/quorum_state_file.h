#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/raft/raft.h"

namespace millrace::quorum {

inline constexpr std::string_view quorum_state_file = "quorum-state";

// The file quorum-state: one line of JSON (formats.md, 3.1). kraft.version 0 writes data_version 0,
// which names the voters but no directories; kraft.version 1 writes data_version 1. A second line,
// which Apache does not read, has the checksum of the first.
std::string quorum_state_text(const raft::QuorumState& state, std::int16_t kraft_version,
                              const raft::VoterSet& voters);
// Reads both. kafka_storage_error, naming the file and the key.
Result<raft::QuorumState> parse_quorum_state(std::string_view text, std::string_view name);

}  // namespace millrace::quorum
