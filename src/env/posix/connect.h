#pragma once

#include <memory>

#include "env/network.h"

namespace millrace::env::posix {

class Loop;

// Begins to connect. True: the operation completes later; false: it has its result.
bool begin_connect(Loop& loop, ConnectOperation& operation);

}  // namespace millrace::env::posix
