#pragma once

#include "base/log.h"

namespace millrace::net {

inline log::Area log_area{"net"};

}  // namespace millrace::net
