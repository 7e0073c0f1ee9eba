#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "core/metadata/record.h"

namespace millrace::controller {

class Sessions;

// What a command came to: records for the metadata log, and what to answer once they are
// committed. The records go to State::next_offset(), with nothing between them, and are applied to
// the State before the next decision is made.
template <typename Answer>
struct Decision {
    metadata::Records records;
    Answer response;
    // All records take effect or none: they go into one batch.
    bool atomic = true;
    // To which level the quorum is to raise kraft.version, which is not among the records.
    std::optional<std::int16_t> kraft_version = {};
};

// The answer of a command that nobody asked for.
struct Done {};

// What a decision may use besides the State.
struct Inputs {
    Time now;
    Random& random;      // topic ids, placement
    Sessions& sessions;  // heartbeats are noted here; no record does it
};

// Whether a caller may do something with a topic; empty: anything.
using Permit = std::function<bool(std::string_view topic)>;
inline bool permits(const Permit& permit, std::string_view topic) {
    return !permit || permit(topic);
}

// A decision may hold so many records, and one request may make so many partitions.
inline constexpr std::size_t max_records_per_decision = 10'000;
inline constexpr std::int64_t max_partitions_per_request = 10'000;

}  // namespace millrace::controller
