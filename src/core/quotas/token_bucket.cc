#include "core/quotas/token_bucket.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::quotas {

double TokenBucket::tokens(double bound, Time now) const {
    double since = static_cast<double>((now - Time()).ms() - filled_ms_) / 1000;
    return tokens_ ? std::min(most(bound), *tokens_ + bound * since) : most(bound);
}

double TokenBucket::fill(double bound, Time now) {
    tokens_ = tokens(bound, now);
    filled_ms_ = (now - Time()).ms();
    return *tokens_;
}

void TokenBucket::take(double amount, double bound, Time now) {
    tokens_ = std::min(most(bound), fill(bound, now) - amount);
}

Duration TokenBucket::throttle(double bound, Time now) {
    double missing = -fill(bound, now);
    if (missing <= 0) return {};
    double wait = std::round(missing / bound * 1000);
    constexpr auto most_ms = std::numeric_limits<std::int32_t>::max();
    return Duration::milliseconds(wait < most_ms ? static_cast<std::int64_t>(wait) : most_ms);
}

}  // namespace millrace::quotas
