#include "metrics/instruments.h"

#include <cmath>

namespace millrace::metrics {

void Meter::tick(Time now) {
    constexpr std::int64_t step = 5'000'000'000;
    constexpr double seconds = 5;
    constexpr double minutes[] = {1, 5, 15};
    std::int64_t steps = (now - last_tick_).ns() / step;
    if (steps <= 0) return;
    last_tick_ = last_tick_ + Duration::nanoseconds(steps * step);
    double rate = static_cast<double>(count_ - ticked_) / (static_cast<double>(steps) * seconds);
    ticked_ = count_;
    for (int i = 0; i < 3; ++i) {
        if (!has_rates_) {
            rates_[i] = rate;
            continue;
        }
        // What is left of the old rate after so many steps towards the new one.
        double left = std::exp(-seconds / 60 / minutes[i] * static_cast<double>(steps));
        rates_[i] = rate + (rates_[i] - rate) * left;
    }
    has_rates_ = true;
}

double Meter::mean_rate(Time now) const {
    double elapsed = (now - start_).in_seconds();
    return elapsed > 0 ? static_cast<double>(count_) / elapsed : 0;
}

}  // namespace millrace::metrics
