#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "core/quotas/window.h"

namespace millrace::quotas {

// An amount a second over a sliding window, as Apache Kafka's Rate counts it: a window that has
// just begun counts as nearly full, so that a burst is not taken for a rate. To the millisecond.
class Rate {
  public:
    explicit Rate(Window window) : window_(window) {}

    // May be negative: what did not happen after all.
    void record(double amount, Time now);
    double a_second(Time now);
    // How long nothing may come until the rate is at `bound` again; zero while it is.
    Duration throttle(double bound, Time now);
    // Nothing is left in the window: a new Rate would say the same.
    bool is_at_rest(Time now) const;

  private:
    struct Sample {
        std::int64_t began_ms = 0;
        std::int64_t last_ms = 0;  // when something was recorded
        double amount = 0;
    };
    // Also begins those samples anew that the window has left.
    std::int64_t elapsed_ms(std::int64_t now_ms);

    Window window_;
    std::vector<Sample> samples_;  // a ring, of one more than the window's
    std::size_t current_ = 0;
};

}  // namespace millrace::quotas
