#pragma once

#include <vector>

#include "core/share/share_types.h"

namespace millrace::share {

// What is known when `added` comes to `known`, of offsets from `start` on (-1: of all): in order,
// none twice. Of two that speak of one offset the one counts that was delivered more often, and
// then the one whose state is further on: a record never goes back within a delivery.
std::vector<StateBatch> combined(const std::vector<StateBatch>& known,
                                 const std::vector<StateBatch>& added, Offset start);

}  // namespace millrace::share
