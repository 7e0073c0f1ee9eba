#pragma once

#include "base/log.h"

namespace millrace::broker {

inline log::Area log_area{"broker"};

}  // namespace millrace::broker
