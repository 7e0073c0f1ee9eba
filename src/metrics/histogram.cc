#include "metrics/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::metrics {
namespace {

constexpr double fade_per_second = 0.015;
constexpr double most_weight = 1e9;
constexpr int steps = 32;  // buckets an octave
constexpr int step_bits = 5;
constexpr int least_exponent = -20;  // smaller values fall into the bucket of 0
constexpr int most_exponent = 63;

// 0 for values that are not positive; from 1 on, in steps of 1/32 of an octave: the exponent of the
// number and the first bits behind its point.
std::int32_t index_of(double value) {
    constexpr int fraction_bits = 52;
    constexpr int exponent_bias = 1022;  // of values in [0.5, 1)
    constexpr auto least = static_cast<std::int32_t>((exponent_bias + least_exponent) * steps);
    constexpr auto most = (most_exponent - least_exponent + 1) * steps;
    if (!(value > 0)) return 0;
    auto bits = std::bit_cast<std::uint64_t>(value) >> (fraction_bits - step_bits);
    std::int32_t index = 1 + static_cast<std::int32_t>(bits) - least;
    return std::clamp(index, 0, most);
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
    std::int32_t at = index - first_;
    if (at < 0 || static_cast<std::size_t>(at) >= weights_.size()) [[unlikely]] {
        make_room(index);
        at = index - first_;
    }
    weights_[static_cast<std::size_t>(at)] += static_cast<float>(weight);
}

void Histogram::make_room(std::int32_t index) {
    if (weights_.empty()) first_ = index;
    if (index < first_) {
        weights_.insert(weights_.begin(), static_cast<std::size_t>(first_ - index), 0);
        first_ = index;
    }
    auto size = static_cast<std::size_t>(index - first_) + 1;
    if (weights_.size() < size) weights_.resize(size);
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
    float largest = 0;
    for (float& weight : weights_) {
        weight = static_cast<float>(static_cast<double>(weight) / weight_);
        largest = std::max(largest, weight);
    }
    weight_ = 1;
    // The last bucket stays: a distribution that only grew old still has its percentiles.
    for (float& weight : weights_) {
        if (weight < least) weight = largest < least && weight > 0 ? least : 0;
    }
}

double Histogram::standard_deviation() const {
    return count_ < 2 ? 0 : std::sqrt(squares_ / static_cast<double>(count_ - 1));
}

double Histogram::percentile(double fraction) const {
    double total = 0;
    for (float weight : weights_) total += static_cast<double>(weight);
    double reached = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
        if (weights_[i] == 0) continue;
        reached += static_cast<double>(weights_[i]);
        if (reached >= fraction * total) {
            return std::clamp(lower_bound_of(first_ + static_cast<std::int32_t>(i)), min_, max_);
        }
    }
    return count_ == 0 ? 0 : max_;
}

void Histogram::merge(const Histogram& other) {
    if (other.count_ == 0) return;
    for (std::size_t i = 0; i < other.weights_.size(); ++i) {
        if (other.weights_[i] == 0) continue;
        add(other.first_ + static_cast<std::int32_t>(i),
            static_cast<double>(other.weights_[i]) / other.weight_ * weight_);
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
