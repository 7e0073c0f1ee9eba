#include "base/recent_samples.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr Duration window_length = Duration::seconds(30);
constexpr Duration remembered = window_length * 2;

}  // namespace

void RecentSamples::add(double value, Time now) {
    auto& [older, window] = windows_;
    if (window.count == 0 || now - window.began >= window_length) {
        older = window;
        window = {.began = now};
    }
    window.max = window.count == 0 ? value : std::max(window.max, value);
    window.sum += value;
    ++window.count;
}

RecentSamples::Window RecentSamples::sum_of(Time now) const {
    Window total{.began = now};
    for (const Window& window : windows_) {
        if (window.count == 0 || now - window.began >= remembered) continue;
        total.began = std::min(total.began, window.began);
        total.max = total.count == 0 ? window.max : std::max(total.max, window.max);
        total.sum += window.sum;
        total.count += window.count;
    }
    return total;
}

std::optional<double> RecentSamples::average(Time now) const {
    Window total = sum_of(now);
    if (total.count == 0) return std::nullopt;
    return total.sum / static_cast<double>(total.count);
}

std::optional<double> RecentSamples::max(Time now) const {
    Window total = sum_of(now);
    if (total.count == 0) return std::nullopt;
    return total.max;
}

double RecentSamples::rate(Time now) const {
    Window total = sum_of(now);
    Duration time = std::max(now - total.began, window_length);
    return total.sum * 1e9 / static_cast<double>(time.ns());
}

}  // namespace millrace
