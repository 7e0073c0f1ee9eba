#pragma once

#include <string_view>

#include "base/time.h"

namespace millrace::client {

// Of a text that config::is_iso_duration() takes: P[nD][T[nH][nM][n[.n]S]].
Duration parse_iso_duration(std::string_view text);

}  // namespace millrace::client
