#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "core/quotas/window.h"

namespace millrace::quotas {

// A stock that fills at `bound` a second, up to what comes in the time of a window, and that may
// be overdrawn: whoever comes next waits (KIP-599). To the millisecond.
class TokenBucket {
  public:
    explicit TokenBucket(Window window) : window_(window) {}

    // May be negative: what did not happen after all.
    void take(double tokens, double bound, Time now);
    // How long until it is not overdrawn; zero when it is not. Some of less than a millisecond are
    // zero, too, and still overdrawn.
    Duration throttle(double bound, Time now);
    bool is_overdrawn(double bound, Time now) { return fill(bound, now) < 0; }
    // Nothing is missing from it: a new one would say the same.
    bool is_at_rest(double bound, Time now) const { return tokens(bound, now) >= most(bound); }
    double tokens(double bound, Time now) const;

  private:
    // As of now, whatever the bound is later; what there is.
    double fill(double bound, Time now);
    double most(double bound) const {
        return window_.samples * window_.sample.in_seconds() * bound;
    }

    Window window_;
    std::optional<double> tokens_;  // none: full, whatever the bound
    std::int64_t filled_ms_ = 0;
};

}  // namespace millrace::quotas
