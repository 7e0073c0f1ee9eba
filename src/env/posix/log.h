#pragma once

#include "base/log.h"

namespace millrace::env::posix {

inline log::Area log_area{"network"};

}  // namespace millrace::env::posix
