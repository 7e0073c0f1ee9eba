#include "broker/cleaner/io_throttle.h"

#include <algorithm>

#include "env/shard.h"

namespace millrace::broker {
namespace {

constexpr double no_limit = 1e15;
// A change of the rate is noticed so soon.
constexpr double longest_sleep_s = 1;
constexpr double least_portion = 64 << 10;
constexpr double most_portion = 4 << 20;

}  // namespace

IoThrottle::IoThrottle(env::Shard& shard, double bytes_a_second)
    : shard_(shard), rate_(std::max(bytes_a_second, 1.0)), settled_(shard.now()) {}

void IoThrottle::settle() {
    Duration since = shard_.now() - settled_;
    settled_ = shard_.now();
    paid_ = std::min(taken_, paid_ + rate_ * since.in_seconds());
}

void IoThrottle::set_rate(double bytes_a_second) {
    settle();
    rate_ = std::max(bytes_a_second, 1.0);
}

Task<void> IoThrottle::take(std::uint64_t bytes) {
    settle();
    taken_ += static_cast<double>(bytes);
    double mine = taken_;
    while (paid_ < mine && rate_ < no_limit) {
        double wait_s = std::min((mine - paid_) / rate_, longest_sleep_s);
        auto wait_ns = static_cast<std::int64_t>(wait_s * 1e9) + 1;
        co_await env::sleep_for(shard_, Duration::nanoseconds(wait_ns));
        settle();
    }
}

std::uint64_t IoThrottle::portion() const {
    return static_cast<std::uint64_t>(std::clamp(rate_ / 4, least_portion, most_portion));
}

}  // namespace millrace::broker
