#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"

namespace millrace::metrics {

// A distribution of which the last five minutes weigh most: a value's weight fades as
// e^(-0.015 s), as in Kafka's biased histograms. Values fall into buckets 1/32 wide of their size
// (whole numbers below 64 are exact), so that memory is bounded whatever comes.
class Histogram {
  public:
    void update(double value);  // infinity and NaN are no values
    void tick(Time now);

    std::uint64_t count() const { return count_; }
    // Of all values ever; 0 before the first one.
    double min() const { return min_; }
    double max() const { return max_; }
    double mean() const { return mean_; }
    double standard_deviation() const;
    // Of the weighted values: 0.99 gives the lower bound of the bucket where 99% are reached.
    double percentile(double fraction) const;

    // Takes in another one's values, as the histogram of another shard at the same time.
    void merge(const Histogram& other);

  private:
    void add(std::int32_t index, double weight);
    void make_room(std::int32_t index);
    void rescale();

    // Of each bucket, from the one with index first_ on to the last that ever had a value.
    std::vector<float> weights_;
    std::int32_t first_ = 0;
    double weight_ = 1;  // of a value that comes now
    Time last_tick_;
    std::uint64_t count_ = 0;
    double min_ = 0;
    double max_ = 0;
    double mean_ = 0;
    double squares_ = 0;  // sum of squared differences from the mean
};

}  // namespace millrace::metrics
