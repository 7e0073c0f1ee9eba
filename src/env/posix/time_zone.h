#pragma once

#include "base/time.h"

namespace millrace::env::posix {

// How far the local time zone is ahead of UTC at this time.
Duration ahead_of_utc(Timestamp time);

}  // namespace millrace::env::posix
