#pragma once

#include <cstdint>

#include "base/time.h"

namespace millrace::quotas {

// Over which time a rate is measured: quota.window.num samples of quota.window.size.seconds.
struct Window {
    int samples = 11;
    Duration sample = Duration::seconds(1);

    // What may come at once after a rest: the time of the samples before the one that fills.
    double burst_seconds() const { return (samples - 1) * sample.in_seconds(); }
};

// A wait as answers tell it: throttle_time_ms.
inline std::int32_t told_ms(Duration wait) { return static_cast<std::int32_t>(wait.ms()); }

}  // namespace millrace::quotas
