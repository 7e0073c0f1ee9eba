#include "env/posix/log_sink.h"

#include <fmt/core.h>
#include <string>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

namespace millrace::env::posix {
namespace {

void write_line(const log::Line& line) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    std::string text =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {:<5} {} {}\n", utc.tm_year + 1900,
                    utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                    now.tv_nsec / 1'000'000, log::to_string(line.level), line.area, line.text);
    // Nobody is left to tell when stderr fails.
    [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

void log_to_stderr() { log::set_sink(write_line); }

}  // namespace millrace::env::posix
