#pragma once

#include "base/log.h"

namespace millrace::quorum {

inline log::Area log_area{"quorum"};

}  // namespace millrace::quorum
