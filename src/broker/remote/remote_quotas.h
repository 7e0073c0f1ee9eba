#pragma once

#include <cstdint>

#include "base/task.h"
#include "config/broker_config.h"
#include "env/shard.h"
#include "storage/remote/rate_quota.h"

namespace millrace::broker {

// How fast a node copies to and fetches from remote storage. Lives on shard 0, asked from any.
class RemoteQuotas {
  public:
    explicit RemoteQuotas(const config::BrokerConfig& config);

    // Waits until so many bytes may be copied, and counts them.
    Task<void> copy(env::Shard& here, std::int64_t bytes_per_second, std::uint64_t bytes);
    // Waits until reading may go on.
    Task<void> fetch(env::Shard& here, std::int64_t bytes_per_second);
    Task<void> fetched(env::Shard& here, std::int64_t bytes_per_second, std::uint64_t bytes);

  private:
    storage::remote::RateQuota copies_;
    storage::remote::RateQuota fetches_;
};

}  // namespace millrace::broker
