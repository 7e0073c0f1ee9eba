#pragma once

#include <memory>

#include "env/network.h"

namespace millrace::env::posix {

class Loop;

// TCP, as the shard of this loop uses it.
std::unique_ptr<Network> make_network(Loop& loop);

}  // namespace millrace::env::posix
