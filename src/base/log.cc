#include "base/log.h"

#include <cstdio>
#include <fmt/format.h>

namespace millrace::log {
namespace {

Area*& first_area() {
    static Area* first = nullptr;
    return first;
}

std::function<void(const Line&)>& sink() {
    static std::function<void(const Line&)> current = [](const Line& line) {
        fmt::print(stderr, "{} {} {}\n", to_string(line.level), line.area, line.text);
    };
    return current;
}

}  // namespace

Area::Area(std::string_view name) : name_(name), next_(first_area()) { first_area() = this; }

void set_sink(std::function<void(const Line&)> to) { sink() = std::move(to); }

std::string_view to_string(Level level) {
    constexpr std::string_view names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};
    return names[static_cast<int>(level)];
}

Result<> set_level(std::string_view area, std::string_view level) {
    constexpr std::string_view names[] = {"trace", "debug", "info", "warn", "error"};
    int value = -1;
    for (int i = 0; i < 5; ++i) {
        if (names[i] == level) value = i;
    }
    if (value < 0) {
        return fail(
            ErrorCode::invalid_config,
            fmt::format("'{}' is no log level: use trace, debug, info, warn or error", level));
    }
    bool found = area == "*";
    for (Area* each = first_area(); each != nullptr; each = each->next_) {
        if (area != "*" && each->name_ != area) continue;
        each->level_.store(value, std::memory_order_relaxed);
        found = true;
    }
    if (!found) {
        return fail(ErrorCode::invalid_config, fmt::format("there is no log area '{}'", area));
    }
    return {};
}

std::vector<std::pair<std::string_view, Level>> areas() {
    std::vector<std::pair<std::string_view, Level>> out;
    for (const Area* each = first_area(); each != nullptr; each = each->next_) {
        out.emplace_back(each->name_,
                         static_cast<Level>(each->level_.load(std::memory_order_relaxed)));
    }
    return out;
}

void write(const Area& area, Level level, fmt::string_view format, fmt::format_args args) {
    fmt::memory_buffer text;
    fmt::vformat_to(std::back_inserter(text), format, args);
    sink()(Line{level, area.name(), {text.data(), text.size()}});
}

}  // namespace millrace::log
