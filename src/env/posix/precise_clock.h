#pragma once

#include "base/time.h"

namespace millrace::env::posix {

// The shards' clock, read now: theirs stands still during a loop turn.
Time precise_now();

}  // namespace millrace::env::posix
