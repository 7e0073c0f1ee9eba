#include "broker/replication_quota.h"

#include <algorithm>

#include "config/broker_config.h"

namespace millrace::broker {

ReplicationQuota::ReplicationQuota(int windows, Duration window)
    : window_(window), samples_(static_cast<std::size_t>(std::max(windows, 1))) {}

void ReplicationQuota::record(std::uint64_t bytes, Time now) {
    std::int64_t number = (now - Time()).ns() / window_.ns();
    Sample& sample = samples_[static_cast<std::size_t>(number) % samples_.size()];
    std::int64_t seen = sample.window.load(std::memory_order_relaxed);
    bool begins = seen < number && sample.window.compare_exchange_strong(seen, number);
    if (begins) {
        sample.bytes.store(bytes, std::memory_order_relaxed);
    } else {
        sample.bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
}

double ReplicationQuota::rate(Time now) const {
    std::int64_t number = (now - Time()).ns() / window_.ns();
    std::int64_t oldest = number;
    std::uint64_t bytes = 0;
    for (const Sample& sample : samples_) {
        std::int64_t window = sample.window.load(std::memory_order_relaxed);
        if (window < 0 || window <= number - static_cast<std::int64_t>(samples_.size())) continue;
        oldest = std::min(oldest, window);
        bytes += sample.bytes.load(std::memory_order_relaxed);
    }
    Duration passed = std::max(window_, now - (Time() + window_ * oldest));
    return static_cast<double>(bytes) * 1e9 / static_cast<double>(passed.ns());
}

ReplicationQuotas::ReplicationQuotas(const config::BrokerConfig& config)
    : leader(config.replication_quota_window_num(),
             Duration::seconds(config.replication_quota_window_size_seconds())),
      follower(config.replication_quota_window_num(),
               Duration::seconds(config.replication_quota_window_size_seconds())) {}

}  // namespace millrace::broker
