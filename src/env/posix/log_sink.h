#pragma once

namespace millrace::env::posix {

// Log lines go to stderr, one write a line, in front the wall clock's time in UTC (ISO 8601).
void log_to_stderr();

}  // namespace millrace::env::posix
