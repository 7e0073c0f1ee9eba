#include "metrics/histogram.h"

#include <algorithm>
#include <cmath>

namespace millrace::metrics {
namespace {

constexpr double fade_per_second = 0.015;
constexpr double most_weight = 1e9;
constexpr int steps = 32;            // buckets an octave
constexpr int least_exponent = -20;  // smaller values fall into the bucket of 0
constexpr int most_exponent = 63;

// 0 for values that are not positive; from 1 on, in steps of 1/32 of an octave.
std::int32_t index_of(double value) {
    if (!(value > 0)) return 0;
    int exponent = 0;
    double fraction = std::frexp(value, &exponent);  // [0.5, 1)
    if (exponent < least_exponent) return 0;
    if (exponent > most_exponent) return 1 + (most_exponent - least_exponent + 1) * steps - 1;
    int step = static_cast<int>((fraction - 0.5) * 2 * steps);
    return 1 + (exponent - least_exponent) * steps + step;
}

double lower_bound_of(std::int32_t index) {
    if (index == 0) return 0;
    int exponent = (index - 1) / steps + least_exponent;
    int step = (index - 1) % steps;
    return std::ldexp(0.5 + static_cast<double>(step) / (2 * steps), exponent);
}

}  // namespace

void Histogram::update(double value) {
    if (!std::isfinite(value)) return;
    add(index_of(value), weight_);
    ++count_;
    if (count_ == 1) {
        min_ = max_ = value;
    } else {
        min_ = std::min(min_, value);
        max_ = std::max(max_, value);
    }
    double difference = value - mean_;
    mean_ += difference / static_cast<double>(count_);
    squares_ += difference * (value - mean_);
}

void Histogram::add(std::int32_t index, double weight) {
    auto at = std::lower_bound(buckets_.begin(), buckets_.end(), index,
                               [](const Bucket& b, std::int32_t i) { return b.index < i; });
    if (at == buckets_.end() || at->index != index) at = buckets_.insert(at, {index, 0});
    at->weight += static_cast<float>(weight);
}

void Histogram::tick(Time now) {
    if (last_tick_ == Time()) {
        last_tick_ = now;
        return;
    }
    if (now <= last_tick_) return;
    // New values gain weight instead of old ones losing it: one multiplication a tick.
    weight_ *= std::exp(fade_per_second * (now - last_tick_).in_seconds());
    last_tick_ = now;
    if (weight_ > most_weight) rescale();
}

void Histogram::rescale() {
    constexpr float least = 1e-6F;
    for (Bucket& bucket : buckets_) {
        bucket.weight = static_cast<float>(static_cast<double>(bucket.weight) / weight_);
    }
    weight_ = 1;
    // The last bucket stays: a distribution that only grew old still has its percentiles.
    if (std::ranges::all_of(buckets_, [](const Bucket& b) { return b.weight < least; })) {
        for (Bucket& bucket : buckets_) bucket.weight = std::max(bucket.weight, least);
        return;
    }
    std::erase_if(buckets_, [](const Bucket& b) { return b.weight < least; });
}

double Histogram::standard_deviation() const {
    return count_ < 2 ? 0 : std::sqrt(squares_ / static_cast<double>(count_ - 1));
}

double Histogram::percentile(double fraction) const {
    double total = 0;
    for (const Bucket& bucket : buckets_) total += static_cast<double>(bucket.weight);
    double reached = 0;
    for (const Bucket& bucket : buckets_) {
        reached += static_cast<double>(bucket.weight);
        if (reached >= fraction * total)
            return std::clamp(lower_bound_of(bucket.index), min_, max_);
    }
    return buckets_.empty() ? 0 : max_;
}

void Histogram::merge(const Histogram& other) {
    if (other.count_ == 0) return;
    for (const Bucket& bucket : other.buckets_) {
        add(bucket.index, static_cast<double>(bucket.weight) / other.weight_ * weight_);
    }
    min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
    double difference = other.mean_ - mean_;
    auto mine = static_cast<double>(count_);
    auto theirs = static_cast<double>(other.count_);
    mean_ += difference * theirs / (mine + theirs);
    squares_ += other.squares_ + difference * difference * mine * theirs / (mine + theirs);
    count_ += other.count_;
}

}  // namespace millrace::metrics
