#pragma once

#include "base/log.h"

namespace millrace::client {

inline log::Area log_area{"client"};

}  // namespace millrace::client
