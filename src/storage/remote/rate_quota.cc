#include "storage/remote/rate_quota.h"

#include <algorithm>

namespace millrace::storage::remote {

void RateQuota::forget_before(Time now) {
    while (!samples_.empty() && now - samples_.front().start >= window_.size * window_.samples) {
        samples_.pop_front();
    }
}

void RateQuota::record(std::uint64_t bytes, Time now) {
    forget_before(now);
    if (samples_.empty() || now - samples_.back().start >= window_.size) {
        samples_.push_back({now, 0});
    }
    samples_.back().bytes += bytes;
}

// A window that has just begun counts as nearly full: a burst is not taken for a rate.
Duration RateQuota::throttle(Time now) {
    forget_before(now);
    if (samples_.empty()) return {};
    double total = 0;
    for (const Sample& sample : samples_) total += static_cast<double>(sample.bytes);
    Duration elapsed = now - samples_.front().start;
    auto full = elapsed.ns() / window_.size.ns();
    if (full < window_.samples - 1) elapsed = elapsed + window_.size * (window_.samples - 1 - full);
    elapsed = std::max(elapsed, window_.size);
    double rate = total / elapsed.in_seconds();
    auto bound = static_cast<double>(bytes_per_second_);
    if (rate <= bound) return {};
    double wait = (rate - bound) / bound * elapsed.in_seconds() * 1e3;
    return Duration::milliseconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(wait)));
}

}  // namespace millrace::storage::remote
