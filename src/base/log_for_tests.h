#pragma once

#include <fmt/core.h>
#include <functional>
#include <utility>

#include "base/log.h"

namespace millrace::log {

// Takes the lines for as long as it lives, to nowhere if not told where; then they go to stderr.
class CapturedLog {
  public:
    explicit CapturedLog(std::function<void(const Line&)> sink = [](const Line&) {}) {
        set_sink(std::move(sink));
    }
    CapturedLog(const CapturedLog&) = delete;
    ~CapturedLog() {
        set_sink([](const Line& line) {
            fmt::print(stderr, "{} {} {}\n", to_string(line.level), line.area, line.text);
        });
    }
};

}  // namespace millrace::log
