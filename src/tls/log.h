#pragma once

#include "base/log.h"

namespace millrace::tls {

inline log::Area log_area{"tls"};

}  // namespace millrace::tls
