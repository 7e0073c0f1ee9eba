#pragma once

#include <cstdint>

#include "base/time.h"
#include "metrics/histogram.h"

namespace millrace::metrics {

// Instruments belong to one shard and are touched by it alone; scraping visits every shard.

class Counter {
  public:
    void add(std::uint64_t n = 1) { value_ += n; }
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0;
};

class Gauge {
  public:
    void set(double value) { value_ = value; }
    void add(double change) { value_ += change; }
    double value() const { return value_; }

  private:
    double value_ = 0;
};

// A count and its rates a second: since the start, and fading over 1, 5 and 15 minutes in steps of
// 5 seconds. Between two ticks its events count as spread evenly.
class Meter {
  public:
    explicit Meter(Time start) : start_(start), last_tick_(start) {}
    void mark(std::uint64_t n = 1) { count_ += n; }
    void tick(Time now);

    std::uint64_t count() const { return count_; }
    double mean_rate(Time now) const;
    double one_minute_rate() const { return rates_[0]; }
    double five_minute_rate() const { return rates_[1]; }
    double fifteen_minute_rate() const { return rates_[2]; }

  private:
    std::uint64_t count_ = 0;
    std::uint64_t ticked_ = 0;  // of them, in the rates
    Time start_;
    Time last_tick_;
    bool has_rates_ = false;
    double rates_[3] = {};
};

// How often something happens and how many milliseconds it takes.
class Timer {
  public:
    explicit Timer(Time start) : meter_(start) {}
    void update(Duration took) {
        meter_.mark();
        milliseconds_.update(static_cast<double>(took.ns()) / 1e6);
    }
    void tick(Time now) {
        meter_.tick(now);
        milliseconds_.tick(now);
    }
    const Meter& meter() const { return meter_; }
    const Histogram& milliseconds() const { return milliseconds_; }

  private:
    Meter meter_;
    Histogram milliseconds_;
};

}  // namespace millrace::metrics
