#pragma once

#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace millrace::cli {

// "2026-01-31T13:00:00.000", UTC unless "Z", "+hh:mm", "+hhmm" or "+hh" follows; the fraction of
// the second may be missing.
Result<Timestamp> parse_date_time(std::string_view text);

// ISO 8601 as Java's Duration takes it: "P1DT2H30M5.5S", each part and the whole may be negative.
// Milliseconds.
Result<std::int64_t> parse_duration(std::string_view text);

}  // namespace millrace::cli
