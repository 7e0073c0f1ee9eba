#pragma once

#include "base/log.h"

namespace millrace::storage {

inline log::Area log_area{"storage"};

}  // namespace millrace::storage
