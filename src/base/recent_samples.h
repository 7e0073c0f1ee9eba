#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace millrace {

// Samples of the last half minute to minute, in two windows of thirty seconds, as Apache Kafka's
// own metrics library keeps them.
class RecentSamples {
  public:
    void add(double value, Time now);
    // Of none: no value.
    std::optional<double> average(Time now) const;
    std::optional<double> max(Time now) const;
    // For means over several of these.
    double sum(Time now) const { return sum_of(now).sum; }
    std::uint64_t count(Time now) const { return sum_of(now).count; }
    // The samples' sum a second.
    double rate(Time now) const;

  private:
    struct Window {
        Time began;
        double sum = 0;
        double max = 0;
        std::uint64_t count = 0;
    };
    Window sum_of(Time now) const;

    std::array<Window, 2> windows_;  // the older one first
};

}  // namespace millrace
