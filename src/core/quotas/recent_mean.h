#pragma once

#include <limits>

#include "base/time.h"

namespace millrace::quotas {

// The mean of what was noted in the last half minute to minute; no number while that is nothing.
class RecentMean {
  public:
    void note(double value, Time now) {
        advance(now);
        current_.total += value;
        ++current_.count;
    }
    double mean(Time now) {
        advance(now);
        int count = current_.count + before_.count;
        if (count == 0) return std::numeric_limits<double>::quiet_NaN();
        return (current_.total + before_.total) / count;
    }

  private:
    static constexpr Duration span = Duration::seconds(30);
    struct Part {
        double total = 0;
        int count = 0;
    };
    void advance(Time now) {
        if (now - began_ < span) return;
        before_ = now - began_ < span * 2 ? current_ : Part{};
        current_ = {};
        began_ = now;
    }

    Time began_;
    Part current_;
    Part before_;
};

}  // namespace millrace::quotas
