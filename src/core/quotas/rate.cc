#include "core/quotas/rate.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::quotas {
namespace {

std::int64_t ms_of(Time time) { return (time - Time()).ms(); }

}  // namespace

void Rate::record(double amount, Time now) {
    std::int64_t now_ms = ms_of(now);
    if (samples_.empty()) samples_.push_back({now_ms, now_ms, 0});
    if (now_ms - samples_[current_].began_ms >= window_.sample.ms()) {
        current_ = (current_ + 1) % (static_cast<std::size_t>(window_.samples) + 1);
        if (current_ == samples_.size()) samples_.emplace_back();
        samples_[current_] = {now_ms, now_ms, 0};
    }
    samples_[current_].amount += amount;
    samples_[current_].last_ms = now_ms;
}

std::int64_t Rate::elapsed_ms(std::int64_t now_ms) {
    std::int64_t age = window_.samples * window_.sample.ms();
    std::int64_t oldest = now_ms;
    for (Sample& sample : samples_) {
        // By its last event: a sample that reaches into the window counts as a whole.
        if (now_ms - sample.last_ms >= age) sample = {now_ms, now_ms, 0};
        oldest = std::min(oldest, sample.began_ms);
    }
    std::int64_t elapsed = now_ms - oldest;
    std::int64_t full = elapsed / window_.sample.ms();
    elapsed += std::max<std::int64_t>(0, window_.samples - 1 - full) * window_.sample.ms();
    return std::max<std::int64_t>(elapsed, 1);
}

double Rate::a_second(Time now) {
    std::int64_t elapsed = elapsed_ms(ms_of(now));
    double total = 0;
    for (const Sample& sample : samples_) total += sample.amount;
    return total / (static_cast<double>(elapsed) / 1000);
}

Duration Rate::throttle(double bound, Time now) {
    double rate = a_second(now);
    if (rate <= bound) return {};
    // In that time more the rate of what was recorded comes down to the bound.
    double wait = std::round((rate - bound) / bound * static_cast<double>(elapsed_ms(ms_of(now))));
    constexpr auto most = std::numeric_limits<std::int32_t>::max();
    return Duration::milliseconds(wait < most ? static_cast<std::int64_t>(wait) : most);
}

bool Rate::is_at_rest(Time now) const {
    std::int64_t age = window_.samples * window_.sample.ms();
    return std::ranges::all_of(samples_, [&](const Sample& sample) {
        return sample.amount == 0 || ms_of(now) - sample.last_ms >= age;
    });
}

}  // namespace millrace::quotas
