#pragma once

#include "base/log.h"

namespace millrace::server {

inline log::Area log_area{"server"};

}  // namespace millrace::server
