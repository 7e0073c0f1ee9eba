#pragma once

#include <memory>

#include "env/network.h"

namespace millrace::env::sim {

class Loop;

// The fabric, as the shard of this loop uses it.
std::unique_ptr<env::Network> make_network(Loop& loop);

}  // namespace millrace::env::sim
