#include "client/backoff.h"

#include <algorithm>
#include <cmath>

namespace millrace::client {

Duration Backoff::after(int failures, Random& random) const {
    constexpr double jitter = 0.2;
    double doubled = static_cast<double>(first.ns()) * std::exp2(std::min(failures - 1, 62));
    double pause = std::min(doubled, static_cast<double>(std::max(first, most).ns()));
    return Duration::nanoseconds(
        static_cast<std::int64_t>(pause * (1 - jitter + 2 * jitter * random.unit())));
}

}  // namespace millrace::client
