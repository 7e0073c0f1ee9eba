#pragma once

#include <atomic>
#include <fmt/core.h>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::log {

enum class Level : int { trace, debug, info, warn, error };

// An area whose level is switched at run time. One per room, at namespace scope in its .cc files'
// common header: inline log::Area log_area{"storage"};
class Area {
  public:
    explicit Area(std::string_view name);
    std::string_view name() const { return name_; }
    bool enabled(Level level) const {
        return static_cast<int>(level) >= level_.load(std::memory_order_relaxed);
    }

  private:
    friend Result<> set_level(std::string_view area, std::string_view level);
    friend std::vector<std::pair<std::string_view, Level>> areas();
    std::string_view name_;
    std::atomic<int> level_{static_cast<int>(Level::info)};
    Area* next_;
};

struct Line {
    Level level;
    std::string_view area;
    std::string_view text;  // the sentence, then " key=value" fields
};

// Where lines go; stderr by default. The world sets it, so that lines bear its time. The function
// may be called from any thread of the process.
void set_sink(std::function<void(const Line&)> sink);
// `area` "*" means all; `level` is trace, debug, info, warn or error.
Result<> set_level(std::string_view area, std::string_view level);
// All areas and their levels, in no particular order.
std::vector<std::pair<std::string_view, Level>> areas();
std::string_view to_string(Level level);

void write(const Area& area, Level level, fmt::string_view format, fmt::format_args args);

template <typename... Args>
void line(const Area& area, Level level, fmt::format_string<Args...> format, Args&&... args) {
    write(area, level, format, fmt::make_format_args(args...));
}

}  // namespace millrace::log

// The arguments are evaluated only when the area's level lets the line through.
#define MILLRACE_LOG(level, ...)                                                         \
    do {                                                                                 \
        if (log_area.enabled(::millrace::log::Level::level))                             \
            ::millrace::log::line(log_area, ::millrace::log::Level::level, __VA_ARGS__); \
    } while (false)
#define LOG_DEBUG(...) MILLRACE_LOG(debug, __VA_ARGS__)
#define LOG_INFO(...) MILLRACE_LOG(info, __VA_ARGS__)
#define LOG_WARN(...) MILLRACE_LOG(warn, __VA_ARGS__)
#define LOG_ERROR(...) MILLRACE_LOG(error, __VA_ARGS__)
