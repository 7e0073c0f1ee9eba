#pragma once

#include <optional>
#include <string_view>

#include "core/replication/leader.h"

namespace millrace::replication {

// The replica from which a consumer of a rack should rather fetch what is at `offset` (KIP-392): in
// sync, alive, of that rack, with the offset in its log; the one that has most. Nothing where the
// leader, `self`, is of that rack itself, or no other one is.
std::optional<std::int32_t> nearest_replica(const Leader& leader, std::int32_t self, Offset offset,
                                            std::string_view rack, const metadata::Image& image);

}  // namespace millrace::replication
